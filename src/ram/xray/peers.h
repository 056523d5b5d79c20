// Matrices that are alike: the same role, and experts apart from the rest. Most
// anomalies are a matrix unlike its peers.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include "ram/xray/subject.h"

namespace ram {

inline constexpr double kUnknown = std::numeric_limits<double>::quiet_NaN();

class Peers {
 public:
  explicit Peers(const Subject& subject);

  const std::vector<std::vector<uint32_t>>& groups() const { return groups_; }
  size_t GroupOf(size_t matrix) const { return group_of_[matrix]; }
  // The median of `values` (parallel to the matrices; kUnknown is NaN) over the
  // peers of each group; nullopt for fewer than three known ones.
  std::vector<std::optional<double>> Medians(
      std::span<const double> values) const;

 private:
  std::vector<std::vector<uint32_t>> groups_;
  std::vector<uint32_t> group_of_;
};

}  // namespace ram
