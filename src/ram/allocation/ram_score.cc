#include "ram/allocation/ram_score.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "ram/base/error.h"

namespace ram {
namespace {

constexpr size_t kOutputNoise = 2;

double Clip(double value) { return std::clamp(value, 0.0, 1.0); }

std::string LowerCase(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return lower;
}

bool IsNarrow(size_t metric, double low, double high) {
  constexpr std::array<double, kMetricCount> kFloors = {0.08, 1.0, 0.3, 0.0045};
  if (metric == kOutputNoise) {
    low = std::log10(std::max(low, 1e-6));
    high = std::log10(std::max(high, 1e-6));
  }
  return high - low < kFloors[metric];
}

// Unclipped; 0 where all values are the same.
double AdaptiveScore(const MetricRange& range, double value) {
  const double width = range.high - range.low;
  return width > 0 ? (value - range.low) / width : 0.0;
}

// `patterns` are in lower case.
std::optional<std::string> WhyProtected(
    const Matrix& matrix, const std::vector<std::string>& patterns) {
  const std::string name = LowerCase(matrix.name);
  for (const std::string& pattern : patterns) {
    if (name.find(pattern) != name.npos) {
      return fmt::format("16-bit: protected by its name ({})", pattern);
    }
  }
  // What the published patterns mean but miss: "mlp.gate", "model.visual".
  if (matrix.role == "router") return "16-bit: protected as a router";
  if (matrix.section == Section::kVision) {
    return "16-bit: protected as part of the vision model";
  }
  if (matrix.rows <= 1 || matrix.cols <= 1) {
    return "16-bit: protected, fewer than two dimensions larger than 1";
  }
  return std::nullopt;
}

}  // namespace

std::string_view MetricName(size_t metric) {
  constexpr std::array<std::string_view, kMetricCount> kMetricNames = {
      "spectral concentration", "excess kurtosis", "output noise",
      "rounding error"};
  return kMetricNames[metric];
}

std::string_view NarrowFloor(size_t metric) {
  constexpr std::array<std::string_view, kMetricCount> kTexts = {
      "0.08", "1", "a factor of 2", "0.0045"};
  return kTexts[metric];
}

std::optional<std::array<double, kMetricCount>> MetricValues(
    const Metrics& metrics) {
  if (!metrics.spectral_concentration || !metrics.excess_kurtosis ||
      !metrics.output_noise || !metrics.rounding_error) {
    return std::nullopt;
  }
  return std::array<double, kMetricCount>{
      *metrics.spectral_concentration, *metrics.excess_kurtosis,
      *metrics.output_noise, *metrics.rounding_error};
}

double FixedScore(size_t metric, double value) {
  switch (metric) {
    case 0:
      return Clip((value - 0.1) / 0.8);
    case 1:
      return Clip(value / 10);
    case kOutputNoise:
      return value < 1e-6 ? 0.0
                          : Clip((std::log10(std::max(value, 0.01)) + 2) / 3);
    default:
      return Clip((value - 0.005) / 0.045);
  }
}

double Percentile(const std::vector<double>& sorted, double percent) {
  const double place = percent / 100 * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = place - static_cast<double>(below);
  return sorted[below] + part * (sorted[above] - sorted[below]);
}

std::array<MetricRange, kMetricCount> RangesOf(const Manifest& manifest) {
  std::array<std::vector<double>, kMetricCount> values;
  for (const MatrixRecord& record : manifest.matrices) {
    const auto metrics = MetricValues(record.metrics);
    if (!metrics) continue;
    for (size_t m = 0; m < kMetricCount; ++m)
      values[m].push_back((*metrics)[m]);
  }
  std::array<MetricRange, kMetricCount> ranges;
  for (size_t m = 0; m < kMetricCount; ++m) {
    if (values[m].empty()) continue;
    std::sort(values[m].begin(), values[m].end());
    ranges[m].low = Percentile(values[m], 5);
    ranges[m].high = Percentile(values[m], 95);
    ranges[m].narrow = IsNarrow(m, ranges[m].low, ranges[m].high);
  }
  return ranges;
}

RamScores ScoreMatrices(const Manifest& manifest, Policy policy,
                        const RamRule& rule) {
  const std::array<double, kMetricCount> weights = {
      rule.weight_spectral, rule.weight_kurtosis, rule.weight_output,
      rule.weight_rounding};
  RamScores scores;
  scores.ranges = RangesOf(manifest);
  std::optional<double> smallest, largest;
  for (const MatrixRecord& record : manifest.matrices) {
    const auto metrics = MetricValues(record.metrics);
    scores.matrices.emplace_back();
    if (!metrics) continue;
    double score = 0;
    for (size_t m = 0; m < kMetricCount; ++m) {
      const bool fixed = policy == Policy::kRamV1 ||
                         (policy == Policy::kRamV3 && scores.ranges[m].narrow);
      score +=
          weights[m] * (fixed ? FixedScore(m, (*metrics)[m])
                              : AdaptiveScore(scores.ranges[m], (*metrics)[m]));
    }
    scores.matrices.back() = score;
    smallest = std::min(smallest.value_or(score), score);
    largest = std::max(largest.value_or(score), score);
  }
  std::vector<std::string> patterns;
  for (const std::string& pattern : rule.protected_names) {
    patterns.push_back(LowerCase(pattern));
  }
  for (const Matrix& matrix : manifest.model.matrices) {
    scores.protections.push_back(WhyProtected(matrix, patterns));
  }
  scores.span = smallest ? *largest - *smallest : 0.0;
  return scores;
}

}  // namespace ram
