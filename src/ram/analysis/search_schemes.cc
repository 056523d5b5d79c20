#include "ram/analysis/search_schemes.h"

#include <algorithm>
#include <cstddef>

namespace ram {
namespace {

struct Point {
  int index;
  double bytes;
  double error;
};

// True if `b` lies on or above the line from `a` to `c`.
bool IsAbove(const Point& a, const Point& b, const Point& c) {
  return (b.error - a.error) * (c.bytes - a.bytes) >=
         (c.error - a.error) * (b.bytes - a.bytes);
}

// Of points sorted by bytes, then error.
std::vector<Point> LowerHull(const std::vector<Point>& points) {
  std::vector<Point> hull;
  for (const Point& point : points) {
    if (!hull.empty() && point.error >= hull.back().error) continue;
    while (hull.size() >= 2 &&
           IsAbove(hull[hull.size() - 2], hull.back(), point)) {
      hull.pop_back();
    }
    hull.push_back(point);
  }
  return hull;
}

// How far point i lies under the line between its neighbours, as a share of
// that line's error.
double Gain(const std::vector<Point>& hull, size_t i) {
  const Point &a = hull[i - 1], &b = hull[i], &c = hull[i + 1];
  const double share = (b.bytes - a.bytes) / (c.bytes - a.bytes);
  const double line = a.error + (c.error - a.error) * share;
  return 1 - b.error / line;
}

// Takes out, least gain first, what mixing the neighbours nearly reaches.
void Thin(std::vector<Point>& hull) {
  while (hull.size() > 2) {
    size_t least = 1;
    for (size_t i = 2; i + 1 < hull.size(); ++i) {
      if (Gain(hull, i) < Gain(hull, least)) least = i;
    }
    if (Gain(hull, least) >= kLeastGain) return;
    hull.erase(hull.begin() + static_cast<std::ptrdiff_t>(least));
  }
}

}  // namespace

std::vector<Scheme> SchemesToSearch(
    const std::array<double, kAffineSchemeCount>& squared_errors, uint64_t rows,
    uint64_t cols) {
  std::vector<Point> points;
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    const Scheme scheme = AffineSchemeAt(i);
    if (!SchemeFits(scheme, cols)) continue;
    points.push_back({i, static_cast<double>(SchemeBytes(scheme, rows, cols)),
                      squared_errors[static_cast<size_t>(i)]});
  }
  std::array<bool, kAffineSchemeCount> wanted{};
  const Point* best8 = nullptr;
  for (const Point& point : points) {
    const Scheme scheme = AffineSchemeAt(point.index);
    if (scheme == Affine(4, 64))
      wanted[static_cast<size_t>(point.index)] = true;
    if (scheme.bits == 8 && (!best8 || point.error < best8->error)) {
      best8 = &point;
    }
  }
  if (best8) wanted[static_cast<size_t>(best8->index)] = true;
  std::sort(points.begin(), points.end(), [](const Point& a, const Point& b) {
    return a.bytes != b.bytes ? a.bytes < b.bytes : a.error < b.error;
  });
  std::vector<Point> hull = LowerHull(points);
  Thin(hull);
  for (const Point& point : hull) {
    wanted[static_cast<size_t>(point.index)] = true;
  }
  std::vector<Scheme> schemes;
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    if (wanted[static_cast<size_t>(i)]) schemes.push_back(AffineSchemeAt(i));
  }
  return schemes;
}

}  // namespace ram
