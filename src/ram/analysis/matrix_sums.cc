#include "ram/analysis/matrix_sums.h"

#include <fmt/format.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>

#include "ram/base/random.h"

namespace ram {
namespace {

template <typename T>
void AddTo(std::vector<T>& sums, const std::vector<T>& more) {
  if (sums.empty()) sums.resize(more.size());
  for (size_t i = 0; i < more.size(); ++i) sums[i] += more[i];
}

struct Moments {
  double mean = 0;
  double variance = 0;
  double excess_kurtosis = 0;
};

// From sums of powers about a pivot.
Moments MomentsOf(const std::array<double, 4>& powers, double n, double pivot) {
  const double m1 = powers[0] / n;
  const double m2 = powers[1] / n;
  const double m3 = powers[2] / n;
  const double m4 = powers[3] / n;
  Moments moments;
  moments.mean = pivot + m1;
  moments.variance = std::max(0.0, m2 - m1 * m1);
  if (moments.variance < 1e-12) return moments;
  const double fourth =
      m4 - 4 * m1 * m3 + 6 * m1 * m1 * m2 - 3 * m1 * m1 * m1 * m1;
  moments.excess_kurtosis =
      fourth / (moments.variance * moments.variance) - 3.0;
  return moments;
}

// Sums of squares overflow with weights beyond 1e18.
std::optional<double> IfFinite(double value) {
  return std::isfinite(value) ? std::optional(value) : std::nullopt;
}

// norm((W + N)X - WX) / norm(WX) expected for uniform noise of one step of 16.
double OutputNoise(double range, double weights, double squared_norm) {
  if (!(squared_norm > 0)) return 0;
  return range / 16.0 * std::sqrt(weights / 12.0 / squared_norm);
}

// The count sketch of u = signs' W (see SketchSigns): column c goes to one of
// 64 buckets with a sign. Inner products of sketches estimate those of the
// matrices, without bias.
std::vector<float> SketchOf(const std::vector<double>& signed_sums,
                            uint64_t seed, std::string_view role) {
  const CounterRandom random(seed, fmt::format("sketch columns {}", role));
  std::array<double, kSketchSize> buckets{};
  for (size_t col = 0; col < signed_sums.size(); ++col) {
    const uint64_t bits = random.Bits(col);
    const double value = signed_sums[col];
    buckets[bits % kSketchSize] += (bits >> 63) != 0 ? value : -value;
  }
  return {buckets.begin(), buckets.end()};
}

}  // namespace

std::unique_ptr<SliceResult> SliceResultPool::Take() {
  const std::lock_guard lock(mutex_);
  if (free_.empty()) return std::make_unique<SliceResult>();
  std::unique_ptr<SliceResult> result = std::move(free_.back());
  free_.pop_back();
  return result;
}

void SliceResultPool::Return(std::unique_ptr<SliceResult> result) {
  const std::lock_guard lock(mutex_);
  free_.push_back(std::move(result));
}

MatrixSums::MatrixSums(const Matrix& matrix, float pivot, SliceResultPool& pool)
    : matrix_(matrix), pivot_(pivot), pool_(pool) {}

void MatrixSums::Add(uint64_t slice, std::unique_ptr<SliceResult> result) {
  const std::lock_guard lock(mutex_);
  early_.emplace(slice, std::move(result));
  while (!early_.empty() && early_.begin()->first == next_slice_) {
    const auto first = early_.begin();
    Merge(*first->second);
    pool_.Return(std::move(first->second));
    early_.erase(first);
    ++next_slice_;
  }
}

void MatrixSums::Merge(const SliceResult& result) {
  const WeightSums& sums = result.sums;
  for (size_t i = 0; i < sums.squared_errors.size(); ++i) {
    total_.squared_errors[i] += sums.squared_errors[i];
  }
  for (size_t i = 0; i < sums.powers.size(); ++i) {
    total_.powers[i] += sums.powers[i];
  }
  total_.rounding_error += sums.rounding_error;
  total_.min = next_slice_ == 0 ? sums.min : std::min(total_.min, sums.min);
  total_.max = next_slice_ == 0 ? sums.max : std::max(total_.max, sums.max);
  if (sums.worst_range > total_.worst_range) {
    total_.worst_range = sums.worst_range;
    total_.worst_row = rows_ + sums.worst_row;
    total_.worst_col = sums.worst_col;
  }
  total_.zeros += sums.zeros;
  total_.outliers += sums.outliers;
  total_.kept_error += sums.kept_error;
  total_.nonfinite += sums.nonfinite;
  for (const double square : sums.row_squares) {
    squared_norm_ += square;
    row_norms_.push_back(static_cast<float>(std::sqrt(square)));
  }
  AddTo(total_.column_squares, sums.column_squares);
  AddTo(total_.signed_sums, sums.signed_sums);
  rows_ += sums.row_squares.size();
  hashes_.push_back(result.hash);
  repeats_.Merge(result.repeats);
}

MatrixRecord MatrixSums::Record() const {
  MatrixRecord record;
  record.name = matrix_.name;
  record.nmse.assign(2 * kAffineSchemeCount, std::nan(""));
  record.nonfinite = total_.nonfinite;
  if (total_.nonfinite > 0) return record;
  const double weights = static_cast<double>(matrix_.weights());
  const Moments moments = MomentsOf(total_.powers, weights, pivot_);
  const double low = total_.min, high = total_.max;
  const bool zero = squared_norm_ == 0;
  record.metrics.excess_kurtosis = IfFinite(moments.excess_kurtosis);
  record.metrics.output_noise =
      IfFinite(OutputNoise(high - low, weights, squared_norm_));
  record.metrics.rounding_error =
      IfFinite(zero ? 0.0 : std::sqrt(total_.rounding_error / squared_norm_));
  record.mean = moments.mean;
  record.variance = moments.variance;
  record.absmax = std::max(std::abs(low), std::abs(high));
  record.squared_norm = squared_norm_;
  const double worst = total_.worst_range;
  record.worst_group_ratio =
      zero ? 0.0 : worst * worst / 12.0 / (squared_norm_ / weights);
  record.worst_group_row = total_.worst_row;
  record.worst_group_col = total_.worst_col;
  record.zeros = total_.zeros;
  record.outliers = total_.outliers;
  record.kept_nmse = zero ? 0.0 : total_.kept_error / squared_norm_;
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    if (!SchemeFits(AffineSchemeAt(i), matrix_.cols)) continue;
    const size_t at = static_cast<size_t>(i);
    record.nmse[at] = zero ? 0.0 : total_.squared_errors[at] / squared_norm_;
  }
  return record;
}

MatrixProfile MatrixSums::Profile(uint64_t seed) const {
  MatrixProfile profile;
  profile.row_norms = row_norms_;
  const double rows = static_cast<double>(matrix_.rows);
  for (const double square : total_.column_squares) {
    profile.column_second_moments.push_back(static_cast<float>(square / rows));
  }
  profile.hash = XXH3_64bits(hashes_.data(), hashes_.size() * sizeof(uint64_t));
  if (total_.nonfinite == 0) profile.at_absmax = repeats_.at_peak;
  if (repeats_.sampled > 0) {
    profile.distinct = static_cast<float>(repeats_.distinct) /
                       static_cast<float>(repeats_.sampled);
  }
  if (!total_.signed_sums.empty()) {
    profile.sketch = SketchOf(total_.signed_sums, seed, matrix_.role);
  }
  return profile;
}

std::vector<float> SketchSigns(uint64_t seed, std::string_view role,
                               uint64_t first_row, uint64_t rows) {
  const CounterRandom random(seed, fmt::format("sketch rows {}", role));
  std::vector<float> signs(rows);
  for (uint64_t i = 0; i < rows; ++i) signs[i] = random.Sign(first_row + i);
  return signs;
}

}  // namespace ram
