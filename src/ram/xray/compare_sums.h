// What two versions of the same weights have in common, summed over a slice in
// one pass.
#pragma once

#include <array>
#include <cstdint>
#include <span>

namespace ram {

struct PairSums {
  double base_squares = 0;
  double tuned_squares = 0;
  double products = 0;        // base x tuned
  double change_squares = 0;  // (tuned - base)^2
  // The same where neither is zero.
  double survivor_squares = 0;
  // The variance that rounding to the tuned type leaves: a twelfth of a step
  // squared, summed over all weights.
  double rounding_squares = 0;
  float largest_change = 0;
  uint64_t weights = 0;
  uint64_t changed = 0;
  uint64_t base_zeros = 0;
  uint64_t tuned_zeros = 0;
  uint64_t fours = 0;         // groups of four along a row
  uint64_t halved_fours = 0;  // of them two or more are zero in tuned
  uint64_t nonfinite = 0;     // in either

  void Add(const PairSums& other);
};

// `base` and `tuned` are whole rows of `cols`; `mantissa_bits` is 7 for BF16,
// 10 for F16, 23 for F32. Sums are over 16 interleaved lanes, in double
// precision beyond 512 weights: the same for any thread count.
PairSums SumPair(std::span<const float> base, std::span<const float> tuned,
                 uint64_t cols, int mantissa_bits);

// A sketch of a matrix: each weight is added, with a sign of its row, to one of
// 64 numbers that follows from row and column. Inner products of two sketches
// estimate those of the matrices, within about an eighth of their norms.
inline constexpr uint64_t kPairSketch = 64;
using PairSketch = std::array<double, kPairSketch>;
// Adds rows [first_row, ...) of `cols`.
void AddToSketch(std::span<const float> rows, uint64_t cols, uint64_t first_row,
                 PairSketch& sketch);
// Of the angle between them; 0 where one is zero.
double SketchCosine(const PairSketch& a, const PairSketch& b);

}  // namespace ram
