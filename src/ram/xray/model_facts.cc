#include "ram/xray/model_facts.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <span>

namespace ram {
namespace {

float Median(std::vector<float> values) {
  const auto middle =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct Peak {
  double ratio = 0;
  uint64_t at = 0;
};

Peak PeakOf(std::span<const float> values, float median) {
  const auto largest = std::max_element(values.begin(), values.end());
  if (!(median > 0)) return {};
  return {static_cast<double>(*largest) / static_cast<double>(median),
          static_cast<uint64_t>(largest - values.begin())};
}

std::vector<uint32_t> Zeros(std::span<const float> values) {
  std::vector<uint32_t> at;
  for (size_t i = 0; i < values.size(); ++i) {
    if (values[i] == 0) at.push_back(static_cast<uint32_t>(i));
  }
  if (at.size() == values.size()) at.clear();  // a matrix of zeros
  return at;
}

double VariationOf(std::span<const float> values) {
  double sum = 0, squares = 0;
  for (const float value : values) {
    sum += static_cast<double>(value);
    squares += static_cast<double>(value) * static_cast<double>(value);
  }
  const double n = static_cast<double>(values.size());
  const double mean = sum / n;
  if (!(mean > 0)) return 0;
  return std::sqrt(std::max(0.0, squares / n - mean * mean)) / mean;
}

double LogSpreadOf(std::span<const float> values) {
  double sum = 0, squares = 0, n = 0;
  for (const float value : values) {
    if (!(value > 0)) continue;
    const double log = std::log(static_cast<double>(value));
    sum += log;
    squares += log * log;
    n += 1;
  }
  return n > 0 ? std::sqrt(std::max(0.0, squares / n - sum * sum / (n * n)))
               : 0.0;
}

std::vector<RatioBin> RatiosOf(std::span<const float> moments) {
  constexpr size_t kGroup = 64;
  constexpr int kLowest = -8, kHighest = 55;
  std::array<RatioBin, kHighest - kLowest + 1> octaves = {};
  for (size_t begin = 0; begin < moments.size(); begin += kGroup) {
    const auto group =
        moments.subspan(begin, std::min(kGroup, moments.size() - begin));
    double mean = 0;
    for (const float moment : group) mean += static_cast<double>(moment);
    mean /= static_cast<double>(group.size());
    for (const float moment : group) {
      if (!(moment > 0)) continue;
      const double ratio = mean / static_cast<double>(moment);
      const int octave = std::clamp(std::ilogb(ratio), kLowest, kHighest);
      RatioBin& bin = octaves[static_cast<size_t>(octave - kLowest)];
      bin.channels += 1;
      bin.sum += ratio;
    }
  }
  std::vector<RatioBin> bins;
  for (const RatioBin& bin : octaves) {
    if (bin.channels > 0) bins.push_back(bin);
  }
  return bins;
}

}  // namespace

void FactCollector::Add(const Matrix&, MatrixProfile profile) {
  MatrixFacts facts;
  facts.hash = profile.hash;
  facts.at_absmax = profile.at_absmax;
  facts.distinct = static_cast<double>(profile.distinct);
  std::vector<float>& rows = profile.row_norms;
  std::vector<float>& cols = profile.column_second_moments;
  const auto finite = [](float x) { return std::isfinite(x); };
  if (std::all_of(rows.begin(), rows.end(), finite) &&
      std::all_of(cols.begin(), cols.end(), finite)) {
    facts.channel_ratios = RatiosOf(cols);
    for (float& moment : cols) moment = std::sqrt(moment);
    facts.zero_rows = Zeros(rows);
    facts.zero_cols = Zeros(cols);
    const float row_median = Median(rows);
    const Peak row = PeakOf(rows, row_median);
    const Peak col = PeakOf(cols, Median(cols));
    facts.row_peak = row.ratio;
    facts.row_peak_at = row.at;
    facts.col_peak = col.ratio;
    facts.col_peak_at = col.at;
    facts.col_spread = LogSpreadOf(cols);
    facts.row_variation = VariationOf(rows);
    facts.faint_rows = static_cast<uint64_t>(
        std::count_if(rows.begin(), rows.end(),
                      [&](float x) { return x < 0.1f * row_median; }));
  }
  facts.sketch = std::move(profile.sketch);
  facts_.matrices.push_back(std::move(facts));
}

void FactCollector::AddRouterLoad(const Matrix& router,
                                  std::vector<float> load) {
  facts_.routers.push_back(
      {static_cast<uint32_t>(&router - model_.matrices.data()),
       std::move(load)});
}

}  // namespace ram
