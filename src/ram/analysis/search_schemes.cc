#include "ram/analysis/search_schemes.h"

#include <algorithm>

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
  for (const Point& point : LowerHull(points)) {
    wanted[static_cast<size_t>(point.index)] = true;
  }
  std::vector<Scheme> schemes;
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    if (wanted[static_cast<size_t>(i)]) schemes.push_back(AffineSchemeAt(i));
  }
  return schemes;
}

}  // namespace ram
