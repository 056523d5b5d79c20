// The composite sensitivity score S of the ram policies (docs/metrics.md).
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/allocation/allocate.h"

namespace ram {

inline constexpr size_t kMetricCount = 4;
// "spectral concentration", "excess kurtosis", "output noise", "rounding
// error": the order of every array of metrics.
std::string_view MetricName(size_t metric);

// nullopt unless all four were computed.
std::optional<std::array<double, kMetricCount>> MetricValues(
    const Metrics& metrics);

// The fixed normalisation of ram-v1, in [0, 1].
double FixedScore(size_t metric, double value);

// Linear interpolation between the order statistics, as numpy's default.
// `sorted` is not empty, `percent` in [0, 100].
double Percentile(const std::vector<double>& sorted, double percent);

// The 5th to the 95th percentile of a metric over the analysed tensors.
struct MetricRange {
  double low = 0;
  double high = 0;
  // Whether it is narrower than a tenth of the metric's fixed scale: 0.08,
  // 1.0, a factor of 2 (10^0.3), 0.0045.
  bool narrow = false;
};
std::array<MetricRange, kMetricCount> RangesOf(const Manifest& manifest);
// "0.08", "1", "a factor of 2", "0.0045".
std::string_view NarrowFloor(size_t metric);

// S of every matrix; unset where a metric is missing.
struct RamScores {
  std::vector<std::optional<double>> matrices;
  std::array<MetricRange, kMetricCount> ranges;
  double span = 0;  // largest minus smallest S
  // Why the rule leaves a matrix at 16 bits whatever its score; unset where it
  // does not.
  std::vector<std::optional<std::string>> protections;
};
// Policy kRamV1, kRamV2 or kRamV3.
RamScores ScoreMatrices(const Manifest& manifest, Policy policy,
                        const RamRule& rule);

}  // namespace ram
