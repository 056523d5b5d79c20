// Blocks of ggml (layouts: gguf_blocks.h) multiplied with activations as they
// lie in memory. A block's codes become signed bytes and
// its scales floats in a buffer that stays in the first-level cache; no
// activation is rounded. What differs from decoding first is the order of sums
// in float.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ram/quantization/dot_lines.h"
#include "ram/tensor/ggml_type.h"

namespace ram {

// Whether there is a kernel: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K,
// IQ4_NL, IQ4_XS.
bool CanMultiplyBlocks(GgmlType type);

// Activations and their sums over the weights that share an offset.
class BlockActivations {
 public:
  // x [vectors, cols], not copied; cols are whole blocks of `type`.
  void Arrange(GgmlType type, const float* x, uint64_t vectors, uint64_t cols);

  GgmlType type() const { return type_; }
  uint64_t vectors() const { return vectors_; }
  uint64_t cols() const { return cols_; }
  const float* values() const { return x_; }  // [vectors, cols]
  // [vectors, sum_stride]
  const float* sums() const { return sums_.data(); }
  uint64_t sum_stride() const { return sum_stride_; }

 private:
  GgmlType type_ = GgmlType::kQ8_0;
  const float* x_ = nullptr;
  uint64_t vectors_ = 0;
  uint64_t cols_ = 0;
  uint64_t sum_stride_ = 0;
  CacheLines<float> sums_;
};

// y[v * y_stride + r] = row r . x[v], for `rows` rows of blocks of x.type(),
// one after the other; kDotPadding bytes behind the last one are readable.
void MultiplyBlocks(const std::byte* weights, uint64_t rows,
                    const BlockActivations& x, float* y, uint64_t y_stride);

}  // namespace ram
