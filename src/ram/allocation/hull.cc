#include "ram/allocation/hull.h"

#include <algorithm>
#include <tuple>

namespace ram {
namespace {

// Whether b lies on or above the line from a to c.
bool AboveLine(const Candidate& a, const Candidate& b, const Candidate& c) {
  const double ab = static_cast<double>(b.bytes - a.bytes);
  const double ac = static_cast<double>(c.bytes - a.bytes);
  return (a.loss - b.loss) * ac <= (a.loss - c.loss) * ab;
}

}  // namespace

std::vector<Candidate> LowerHull(std::vector<Candidate> candidates) {
  std::sort(candidates.begin(), candidates.end(),
            [](const Candidate& a, const Candidate& b) {
              return std::tie(a.bytes, a.loss, a.scheme) <
                     std::tie(b.bytes, b.loss, b.scheme);
            });
  std::vector<Candidate> hull;
  for (const Candidate& candidate : candidates) {
    if (!hull.empty() && candidate.loss >= hull.back().loss) continue;
    while (hull.size() >= 2 &&
           AboveLine(hull[hull.size() - 2], hull.back(), candidate)) {
      hull.pop_back();
    }
    hull.push_back(candidate);
  }
  return hull;
}

std::vector<HullStep> StepsByPrice(
    std::span<const std::vector<Candidate>> hulls) {
  std::vector<HullStep> steps;
  for (uint32_t curve = 0; curve < hulls.size(); ++curve) {
    const auto& hull = hulls[curve];
    for (uint32_t to = 1; to < hull.size(); ++to) {
      steps.push_back({curve, to, hull[to].bytes - hull[to - 1].bytes,
                       hull[to - 1].loss - hull[to].loss});
    }
  }
  const auto per_byte = [](const HullStep& step) {
    return step.loss / static_cast<double>(step.bytes);
  };
  std::sort(steps.begin(), steps.end(),
            [&](const HullStep& a, const HullStep& b) {
              const double pa = per_byte(a), pb = per_byte(b);
              if (pa != pb) return pa > pb;
              return std::tie(a.curve, a.to) < std::tie(b.curve, b.to);
            });
  return steps;
}

std::vector<uint32_t> SpendBytes(std::span<const std::vector<Candidate>> hulls,
                                 std::span<const HullStep> steps,
                                 uint64_t bytes) {
  std::vector<uint32_t> chosen(hulls.size(), 0);
  uint64_t spent = 0;
  for (const auto& hull : hulls) spent += hull.front().bytes;
  for (const HullStep& step : steps) {
    // A step whose predecessor did not fit is not open.
    if (chosen[step.curve] + 1 != step.to) continue;
    if (spent + step.bytes > bytes) continue;
    spent += step.bytes;
    chosen[step.curve] = step.to;
  }
  return chosen;
}

}  // namespace ram
