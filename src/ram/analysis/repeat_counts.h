// How often the weights of a matrix repeat. Clipped weights crowd at the
// largest magnitude; weights on a coarse grid take few values within a group.
// Trained ones do neither.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ram/tensor/dtype.h"

namespace ram {

struct RepeatCounts {
  uint32_t peak = 0;     // bits of the largest magnitude, without its sign
  uint64_t at_peak = 0;  // weights that have it
  // Over groups of 32 neighbours, a few of each slice: the weights that are not
  // zero, and how many different ones each group holds.
  uint64_t sampled = 0;
  uint64_t distinct = 0;

  // Of this and another part of the same matrix.
  void Merge(const RepeatCounts& other);
};

// `bytes` are rows of BF16, F16 or F32, aligned to it. Infinities and NaN count
// as larger than all numbers.
RepeatCounts CountRepeats(DType dtype, std::span<const std::byte> bytes);

}  // namespace ram
