// Rectangles of a tensor as floats, or as bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ram/base/file.h"
#include "ram/checkpoint/block_scales.h"
#include "ram/checkpoint/model.h"

namespace ram {

// A tensor seen as 2-D rows, and what turns its elements into numbers.
struct TensorSource {
  const File& file;
  const TensorInfo& tensor;
  // Of FP8 blocks, or of codes; null where there are none.
  const File* scale_file = nullptr;
  const TensorInfo* scale = nullptr;
  const File* bias_file = nullptr;
  const TensorInfo* bias = nullptr;
  BlockSize block = {};

  uint64_t cols() const { return tensor.shape.back(); }
};

// Bytes [byte_offset, byte_offset + out.size()) of the tensor, as if its rows
// were in order and its elements not shifted (Storage::head_rows, shift: whole
// elements only). Throws kIo, kCorrupt as File::ReadAt.
void ReadStored(const File& file, const TensorInfo& tensor,
                uint64_t byte_offset, std::span<std::byte> out);

// out[rows][cols] = rows row.. and columns col.. of the source. Memory beside
// `out` is at most 1 MiB, or a few rows. Throws kIo, kCorrupt as File::ReadAt.
void ReadRectangle(const TensorSource& source, uint64_t row, uint64_t rows,
                   uint64_t col, uint64_t cols, std::span<float> out);

}  // namespace ram
