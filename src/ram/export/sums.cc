#include "ram/export/sums.h"

#include <array>
#include <cmath>
#include <cstddef>

namespace ram {
namespace {

constexpr size_t kLanes = 16;

// term(i) for i in [0, count), lane by lane.
template <typename Term>
double SumInLanes(size_t count, const Term& term) {
  std::array<double, kLanes> lanes = {};
  size_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (size_t lane = 0; lane < kLanes; ++lane) lanes[lane] += term(i + lane);
  }
  for (size_t lane = 0; i < count; ++i, ++lane) lanes[lane] += term(i);
  double sum = 0;
  for (double lane : lanes) sum += lane;
  return sum;
}

}  // namespace

double SumOfSquares(std::span<const float> values) {
  const float* in = values.data();
  return SumInLanes(values.size(), [in](size_t i) {
    const double value = in[i];
    return value * value;
  });
}

double SumOfSquaredDifferences(std::span<const float> a,
                               std::span<const float> b) {
  const float* left = a.data();
  const float* right = b.data();
  return SumInLanes(a.size(), [left, right](size_t i) {
    const double difference =
        static_cast<double>(left[i]) - static_cast<double>(right[i]);
    return difference * difference;
  });
}

FiniteSums SumFinite(std::span<const float> original,
                     std::span<const float> stored) {
  FiniteSums sums;
  sums.squared_norm = SumOfSquares(original);
  if (std::isfinite(sums.squared_norm)) {
    sums.squared_error = SumOfSquaredDifferences(original, stored);
    return sums;
  }
  const auto finite_or_zero = [&](double term, size_t i) {
    return std::isfinite(original[i]) ? term : 0.0;
  };
  sums.squared_norm = SumInLanes(original.size(), [&](size_t i) {
    const double value = original[i];
    return finite_or_zero(value * value, i);
  });
  sums.squared_error = SumInLanes(original.size(), [&](size_t i) {
    const double difference =
        static_cast<double>(original[i]) - static_cast<double>(stored[i]);
    return finite_or_zero(difference * difference, i);
  });
  for (float value : original) sums.nonfinite += !std::isfinite(value);
  return sums;
}

std::optional<uint64_t> FindNonfinite(std::span<const float> values) {
  for (size_t i = 0; i < values.size(); ++i) {
    if (!std::isfinite(values[i])) return i;
  }
  return std::nullopt;
}

}  // namespace ram
