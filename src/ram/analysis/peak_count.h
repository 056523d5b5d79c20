// How many weights share the largest magnitude of a matrix. Weights that were
// clipped, or lie on a coarse grid, crowd there; trained ones do not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ram/tensor/dtype.h"

namespace ram {

struct PeakCount {
  uint32_t bits = 0;   // of the largest magnitude, without its sign
  uint64_t count = 0;  // weights that have it

  // Of this and another part of the same matrix.
  void Merge(const PeakCount& other);
};

// `bytes` are elements of BF16, F16 or F32, aligned to it. Infinities and NaN
// count as larger than all numbers.
PeakCount CountPeaks(DType dtype, std::span<const std::byte> bytes);

}  // namespace ram
