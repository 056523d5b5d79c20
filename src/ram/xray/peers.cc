#include "ram/xray/peers.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <tuple>

namespace ram {

Peers::Peers(const Subject& subject) {
  std::map<std::tuple<std::string, std::string, bool, Section>, uint32_t> seen;
  for (size_t i = 0; i < subject.size(); ++i) {
    const Matrix& matrix = subject.matrix(i);
    const auto [at, added] = seen.try_emplace(
        {matrix.role, matrix.part, matrix.expert >= 0, matrix.section},
        static_cast<uint32_t>(groups_.size()));
    if (added) groups_.emplace_back();
    groups_[at->second].push_back(static_cast<uint32_t>(i));
    group_of_.push_back(at->second);
  }
}

std::vector<std::optional<double>> Peers::Medians(
    std::span<const double> values) const {
  std::vector<std::optional<double>> medians;
  for (const auto& group : groups_) {
    std::vector<double> known;
    for (const uint32_t i : group) {
      if (!std::isnan(values[i])) known.push_back(values[i]);
    }
    if (known.size() < 3) {
      medians.emplace_back();
      continue;
    }
    const auto middle =
        known.begin() + static_cast<std::ptrdiff_t>((known.size() - 1) / 2);
    std::nth_element(known.begin(), middle, known.end());
    medians.emplace_back(*middle);
  }
  return medians;
}

}  // namespace ram
