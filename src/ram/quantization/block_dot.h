// Blocks of ggml (layouts: gguf_blocks.h) multiplied with activations as they
// lie in memory. A block's codes become signed bytes and its scales floats in a
// buffer that stays in the first-level cache; the activations beside the
// weights of one scale are rounded to 16 bits, 2^-16 of the largest of them at
// most. Products and their sums are exact within a run, in float over runs.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ram/quantization/dot_lines.h"
#include "ram/tensor/ggml_type.h"

namespace ram {

// Whether there is a kernel: Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K to Q6_K,
// IQ4_NL, IQ4_XS.
bool CanMultiplyBlocks(GgmlType type);

// Activations in the order in which the kernels meet the codes: in runs of
// weights that share a scale.
class BlockActivations {
 public:
  // x [vectors, cols]; cols are whole blocks of `type`.
  void Arrange(GgmlType type, const float* x, uint64_t vectors, uint64_t cols);

  GgmlType type() const { return type_; }
  uint64_t vectors() const { return vectors_; }
  uint64_t cols() const { return cols_; }
  // [vectors, cols]: an activation is about the step of its run times this.
  const int16_t* values() const { return values_.data(); }
  // [vectors, run_stride]
  const float* steps() const { return steps_.data(); }
  // [vectors, run_stride]: the sum of each run.
  const float* sums() const { return sums_.data(); }
  uint64_t run_stride() const { return run_stride_; }

 private:
  GgmlType type_ = GgmlType::kQ8_0;
  uint64_t vectors_ = 0;
  uint64_t cols_ = 0;
  uint64_t run_stride_ = 0;
  CacheLines<int16_t> values_;
  CacheLines<float> steps_;
  CacheLines<float> sums_;
};

// y[v * y_stride + r] = row r . x[v], for `rows` rows of blocks of x.type(),
// one after the other; kDotPadding bytes behind the last one are readable.
void MultiplyBlocks(const std::byte* weights, uint64_t rows,
                    const BlockActivations& x, float* y, uint64_t y_stride);

}  // namespace ram
