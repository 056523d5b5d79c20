#include "ram/xray/compare_sums.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "ram/base/random.h"

namespace ram {
namespace {

constexpr size_t kLanes = 16;
constexpr size_t kBlock = 512;  // weights summed in float
constexpr uint32_t kExponent = 0x7f800000u;

using Sums = std::array<float, kLanes>;
using Counts = std::array<uint32_t, kLanes>;

// In order.
double Total(const Sums& sums) {
  double total = 0;
  for (const float sum : sums) total += static_cast<double>(sum);
  return total;
}

uint64_t Total(const Counts& counts) {
  uint64_t total = 0;
  for (const uint32_t count : counts) total += count;
  return total;
}

// What up to kBlock weights come to, lane by lane.
struct BlockSums {
  Sums base2{}, tuned2{}, product{}, change2{}, survivor2{}, step2{}, largest{};
  Counts changed{}, base_zeros{}, tuned_zeros{}, bad{};

  void Step(const float* base, const float* tuned, size_t lanes) {
    for (size_t k = 0; k < lanes; ++k) {
      const float w = base[k];
      const float v = tuned[k];
      const float d = v - w;
      const uint32_t exponent = std::bit_cast<uint32_t>(v) & kExponent;
      const uint32_t other = std::bit_cast<uint32_t>(w) & kExponent;
      const float step = std::bit_cast<float>(exponent);
      base2[k] += w * w;
      tuned2[k] += v * v;
      product[k] += w * v;
      change2[k] += d * d;
      survivor2[k] += w != 0 && v != 0 ? d * d : 0.0f;
      step2[k] += step * step;
      largest[k] = std::max(largest[k], std::fabs(d));
      changed[k] += v != w ? 1u : 0u;
      base_zeros[k] += w == 0 ? 1u : 0u;
      tuned_zeros[k] += v == 0 ? 1u : 0u;
      bad[k] += exponent == kExponent || other == kExponent ? 1u : 0u;
    }
  }

  void AddTo(PairSums& sums) const {
    sums.base_squares += Total(base2);
    sums.tuned_squares += Total(tuned2);
    sums.products += Total(product);
    sums.change_squares += Total(change2);
    sums.survivor_squares += Total(survivor2);
    sums.rounding_squares += Total(step2);
    sums.largest_change = std::max(
        sums.largest_change, *std::max_element(largest.begin(), largest.end()));
    sums.changed += Total(changed);
    sums.base_zeros += Total(base_zeros);
    sums.tuned_zeros += Total(tuned_zeros);
    sums.nonfinite += Total(bad);
  }
};

void AddBlock(const float* base, const float* tuned, size_t n, PairSums& sums) {
  BlockSums block;
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) block.Step(base + i, tuned + i, kLanes);
  if (i < n) block.Step(base + i, tuned + i, n - i);
  block.AddTo(sums);
}

uint64_t HalvedFours(std::span<const float> row) {
  uint64_t halved = 0;
  for (size_t i = 0; i + 4 <= row.size(); i += 4) {
    const int zeros = (row[i] == 0 ? 1 : 0) + (row[i + 1] == 0 ? 1 : 0) +
                      (row[i + 2] == 0 ? 1 : 0) + (row[i + 3] == 0 ? 1 : 0);
    halved += zeros >= 2 ? 1u : 0u;
  }
  return halved;
}

}  // namespace

void PairSums::Add(const PairSums& other) {
  base_squares += other.base_squares;
  tuned_squares += other.tuned_squares;
  products += other.products;
  change_squares += other.change_squares;
  survivor_squares += other.survivor_squares;
  rounding_squares += other.rounding_squares;
  largest_change = std::max(largest_change, other.largest_change);
  weights += other.weights;
  changed += other.changed;
  base_zeros += other.base_zeros;
  tuned_zeros += other.tuned_zeros;
  fours += other.fours;
  halved_fours += other.halved_fours;
  nonfinite += other.nonfinite;
}

PairSums SumPair(std::span<const float> base, std::span<const float> tuned,
                 uint64_t cols, int mantissa_bits) {
  PairSums sums;
  sums.weights = tuned.size();
  for (size_t i = 0; i < tuned.size(); i += kBlock) {
    AddBlock(base.data() + i, tuned.data() + i,
             std::min(kBlock, tuned.size() - i), sums);
  }
  sums.rounding_squares *= std::ldexp(1.0, -2 * mantissa_bits) / 12;
  sums.fours = tuned.size() / cols * (cols / 4);
  // Only sparse weights can be two of four.
  if (sums.tuned_zeros * 4 < sums.weights) return sums;
  for (size_t row = 0; row < tuned.size(); row += cols) {
    sums.halved_fours += HalvedFours(tuned.subspan(row, cols));
  }
  return sums;
}

void AddToSketch(std::span<const float> rows, uint64_t cols, uint64_t first_row,
                 PairSketch& sketch) {
  for (size_t begin = 0; begin < rows.size(); begin += cols) {
    const uint64_t bits = MixBits(first_row + begin / cols);
    const uint64_t shift = bits % kPairSketch;
    std::array<float, kPairSketch> sums{};
    const std::span<const float> row = rows.subspan(begin, cols);
    for (size_t i = 0; i < cols; i += kPairSketch) {
      const size_t n = std::min<size_t>(kPairSketch, cols - i);
      // Whole runs change sign together, so that they do not add up.
      const float sign = MixBits(bits + i) >> 63 != 0 ? 1.0f : -1.0f;
      for (size_t k = 0; k < n; ++k) sums[k] += sign * row[i + k];
    }
    for (size_t k = 0; k < kPairSketch; ++k) {
      sketch[(k + shift) % kPairSketch] += static_cast<double>(sums[k]);
    }
  }
}

double SketchCosine(const PairSketch& a, const PairSketch& b) {
  double product = 0, a2 = 0, b2 = 0;
  for (size_t k = 0; k < kPairSketch; ++k) {
    product += a[k] * b[k];
    a2 += a[k] * a[k];
    b2 += b[k] * b[k];
  }
  return a2 > 0 && b2 > 0 ? product / std::sqrt(a2 * b2) : 0;
}

}  // namespace ram
