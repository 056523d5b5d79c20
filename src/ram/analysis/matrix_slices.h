// A matrix cut into runs of whole rows that fit a core's cache. The cut depends
// on the shape alone, so what is summed slice by slice does, too.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ram/analysis/weight_sums.h"
#include "ram/checkpoint/checkpoint.h"

namespace ram {

inline constexpr uint64_t kSliceWeights = uint64_t{1} << 19;

uint64_t RowsPerSlice(const Matrix& matrix);
uint64_t SliceCount(const Matrix& matrix);

// Row range of one slice.
struct MatrixSlice {
  uint32_t matrix = 0;  // index into Model::matrices
  uint64_t slice = 0;
};

// Reads into buffers of its own, which the next read overwrites.
class MatrixSliceReader {
 public:
  // The weights in the dtype of the tensor; FP8 and codes as F32.
  WeightSlice Read(const Checkpoint& checkpoint, const Matrix& matrix,
                   uint64_t row, uint64_t rows);
  // The same as floats.
  std::span<const float> ReadFloats(const Checkpoint& checkpoint,
                                    const Matrix& matrix, uint64_t row,
                                    uint64_t rows);

 private:
  std::span<std::byte> Bytes(uint64_t size);
  std::span<float> Floats(uint64_t size);

  std::vector<std::byte> bytes_;
  std::vector<float> floats_;
};

}  // namespace ram
