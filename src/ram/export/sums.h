// Sums over slices of weights. Sixteen virtual lanes in double, merged in
// order: the same bits for any compiler, machine and thread count.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ram {

// Finite exactly when every value is.
double SumOfSquares(std::span<const float> values);
double SumOfSquaredDifferences(std::span<const float> a,
                               std::span<const float> b);

// Over the values that are finite in `original`.
struct FiniteSums {
  double squared_norm = 0;
  double squared_error = 0;  // of `stored` against `original`
  uint64_t nonfinite = 0;
};
FiniteSums SumFinite(std::span<const float> original,
                     std::span<const float> stored);

// Index of the first NaN or Inf.
std::optional<uint64_t> FindNonfinite(std::span<const float> values);

}  // namespace ram
