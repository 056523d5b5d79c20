// Rows of a canonical matrix in memory as the checkpoint stores them, and
// their products with vectors: weights become floats in registers only.
//
// What no kernel reads is stored as plain numbers instead: rows of transposed
// matrices (in their own type), FP8 (as BF16, as ScoreSegments computes).
#pragma once

#include <cstdint>
#include <span>

#include "ram/checkpoint/checkpoint.h"
#include "ram/evaluation/resident_bytes.h"
#include "ram/quantization/affine_dot.h"
#include "ram/quantization/block_dot.h"

namespace ram {

// Vectors as the kernels of some rows want them; made once for all rows.
struct PackedVectors {
  const float* x = nullptr;  // [vectors, cols]
  uint64_t vectors = 0;
  AffineActivations affine;
  BlockActivations blocks;
};

class PackedRows {
 public:
  // Reads rows [first_row, first_row + rows) of `matrix`.
  PackedRows(const Checkpoint& checkpoint, const Matrix& matrix,
             uint64_t first_row, uint64_t rows);

  uint64_t rows() const { return rows_; }
  uint64_t cols() const { return cols_; }
  uint64_t bytes() const { return bytes_; }  // of the rows

  // `x` is not copied.
  void Arrange(const float* x, uint64_t vectors, PackedVectors& out) const;
  // y[v * y_stride + i] = row (first + i) . x[v] for i < count. Thread-safe.
  void Multiply(uint64_t first, uint64_t count, const PackedVectors& x,
                float* y, uint64_t y_stride) const;
  // Rows [first, first + out.size() / cols) as floats. Thread-safe.
  void Decode(uint64_t first, std::span<float> out) const;

 private:
  void ReadAffine(const Checkpoint& checkpoint, const Matrix& matrix,
                  uint64_t first_row);
  void ReadPlain(const Checkpoint& checkpoint, const Matrix& matrix,
                 uint64_t first_row);

  uint64_t rows_;
  uint64_t cols_;
  uint64_t bytes_ = 0;
  Storage storage_;           // how they lie here
  DType dtype_;               // of plain numbers, or of scales
  uint64_t row_bytes_ = 0;    // of data_
  uint64_t scale_bytes_ = 0;  // of scales_ and of biases_
  ResidentBytes data_;        // rows or codes; each with kDotPadding behind it:
  ResidentBytes scales_;
  ResidentBytes biases_;
};

}  // namespace ram
