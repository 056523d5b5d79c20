// Affine codes (affine.h) multiplied with activations as they lie in memory:
// of each group, scale * dot(codes, x) + bias * sum(x). Codes stay integers;
// the activations of a group are rounded to 16 bits, 2^-16 of the largest of
// them at most (the floats of a 4-bit code and a float32 activation would take
// three times the instructions). Products and their sums within a group are
// exact, sums over groups are in float.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ram/quantization/affine.h"
#include "ram/quantization/dot_lines.h"
#include "ram/quantization/scheme.h"
#include "ram/tensor/dtype.h"

namespace ram {

// Activations in the order in which the kernels meet the codes of one scheme.
class AffineActivations {
 public:
  // x [vectors, cols]; cols is a multiple of the group size.
  void Arrange(const Scheme& scheme, const float* x, uint64_t vectors,
               uint64_t cols);

  const Scheme& scheme() const { return scheme_; }
  uint64_t vectors() const { return vectors_; }
  uint64_t cols() const { return cols_; }
  // [vectors, value_stride]: chunks of codes transposed, zeros at the end. An
  // activation is about the step of its group times this.
  const int16_t* values() const { return values_.data(); }
  uint64_t value_stride() const { return value_stride_; }
  // [vectors, group_stride], zeros at the end.
  const float* steps() const { return steps_.data(); }
  // [vectors, group_stride]: the sum of each group, zeros at the end.
  const float* sums() const { return sums_.data(); }
  uint64_t group_stride() const { return group_stride_; }

 private:
  Scheme scheme_;
  uint64_t vectors_ = 0;
  uint64_t cols_ = 0;
  uint64_t value_stride_ = 0;
  uint64_t group_stride_ = 0;
  CacheLines<int16_t> values_;
  CacheLines<float> steps_;
  CacheLines<float> sums_;
};

// Rows as they are stored, one after the other. kDotPadding bytes behind the
// last row of each of the three are readable.
struct AffineRows {
  const std::byte* codes = nullptr;
  const std::byte* scales = nullptr;
  const std::byte* biases = nullptr;
  DType scale_dtype = DType::kBF16;  // or kF16
};

// y[v * y_stride + r] = row r . x[v], for the first `rows` rows.
void MultiplyAffine(const AffineRows& weights, uint64_t rows,
                    const AffineActivations& x, float* y, uint64_t y_stride);

}  // namespace ram
