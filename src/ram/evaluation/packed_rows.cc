#include "ram/evaluation/packed_rows.h"

#include <algorithm>
#include <vector>

#include "ram/quantization/affine.h"
#include "ram/quantization/float_dot.h"
#include "ram/quantization/gguf_blocks.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

using Kind = Storage::Kind;

// What rows become that are read as floats.
DType PlainType(DType stored) {
  return stored == DType::kF32 || stored == DType::kF16 ? stored : DType::kBF16;
}

}  // namespace

PackedRows::PackedRows(const Checkpoint& checkpoint, const Matrix& matrix,
                       uint64_t first_row, uint64_t rows)
    : rows_(rows), cols_(matrix.cols) {
  const TensorInfo& tensor = checkpoint.TensorOf(matrix);
  storage_ = tensor.storage;
  dtype_ = tensor.dtype;
  const bool blocks =
      storage_.kind == Kind::kBlocks && CanMultiplyBlocks(storage_.block_type);
  const bool plain =
      storage_.kind == Kind::kDense && PlainType(dtype_) == dtype_;
  if (storage_.kind == Kind::kAffine && matrix.contiguous()) {
    ReadAffine(checkpoint, matrix, first_row);
  } else if ((blocks || plain) && matrix.contiguous()) {
    row_bytes_ = tensor.row_bytes();
    data_ = ResidentBytes(rows_ * row_bytes_ + kDotPadding);
    checkpoint.ReadStoredRows(matrix, first_row,
                              {data_.data(), rows_ * row_bytes_});
  } else {
    ReadPlain(checkpoint, matrix, first_row);
  }
  bytes_ = rows_ * (row_bytes_ + 2 * scale_bytes_);
}

void PackedRows::ReadAffine(const Checkpoint& checkpoint, const Matrix& matrix,
                            uint64_t first_row) {
  row_bytes_ = AffineCodeBytes(storage_.scheme, cols_);
  scale_bytes_ = AffineScaleBytes(storage_.scheme, cols_);
  data_ = ResidentBytes(rows_ * row_bytes_ + kDotPadding);
  scales_ = ResidentBytes(rows_ * scale_bytes_ + kDotPadding);
  biases_ = ResidentBytes(rows_ * scale_bytes_ + kDotPadding);
  checkpoint.ReadStoredRows(
      matrix, first_row,
      AffineOutput{{data_.data(), rows_ * row_bytes_},
                   {scales_.data(), rows_ * scale_bytes_},
                   {biases_.data(), rows_ * scale_bytes_}});
}

void PackedRows::ReadPlain(const Checkpoint& checkpoint, const Matrix& matrix,
                           uint64_t first_row) {
  constexpr uint64_t kSlice = 64;
  storage_ = {};
  dtype_ = PlainType(dtype_);
  row_bytes_ = cols_ * DTypeBytes(dtype_);
  data_ = ResidentBytes(rows_ * row_bytes_ + kDotPadding);
  std::vector<float> floats;
  for (uint64_t row = 0; row < rows_; row += kSlice) {
    floats.resize(std::min(kSlice, rows_ - row) * cols_);
    checkpoint.ReadRows(matrix, first_row + row, floats);
    FromFloat(dtype_, floats, data_.data() + row * row_bytes_);
  }
}

void PackedRows::Arrange(const float* x, uint64_t vectors,
                         PackedVectors& out) const {
  out.x = x;
  out.vectors = vectors;
  if (storage_.kind == Kind::kAffine) {
    out.affine.Arrange(storage_.scheme, x, vectors, cols_);
  } else if (storage_.kind == Kind::kBlocks) {
    out.blocks.Arrange(storage_.block_type, x, vectors, cols_);
  }
}

void PackedRows::Multiply(uint64_t first, uint64_t count,
                          const PackedVectors& x, float* y,
                          uint64_t y_stride) const {
  const std::byte* rows = data_.data() + first * row_bytes_;
  if (storage_.kind == Kind::kAffine) {
    MultiplyAffine({rows, scales_.data() + first * scale_bytes_,
                    biases_.data() + first * scale_bytes_, dtype_},
                   count, x.affine, y, y_stride);
  } else if (storage_.kind == Kind::kBlocks) {
    MultiplyBlocks(rows, count, x.blocks, y, y_stride);
  } else {
    MultiplyFloats(dtype_, rows, count, cols_, x.x, x.vectors, y, y_stride);
  }
}

void PackedRows::Decode(uint64_t first, std::span<float> out) const {
  const uint64_t count = out.size() / cols_;
  const std::byte* rows = data_.data() + first * row_bytes_;
  if (storage_.kind == Kind::kAffine) {
    const auto pairs = [&](const ResidentBytes& from) {
      return std::span(from.data() + first * scale_bytes_,
                       count * scale_bytes_);
    };
    DecodeAffine(storage_.scheme, dtype_,
                 {{rows, count * row_bytes_}, pairs(scales_), pairs(biases_)},
                 cols_, out);
  } else if (storage_.kind == Kind::kBlocks) {
    DecodeBlocks(storage_.block_type, rows, out);
  } else {
    ToFloat(dtype_, rows, out);
  }
}

}  // namespace ram
