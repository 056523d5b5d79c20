// Rows of plain numbers multiplied with activations as they lie in memory;
// products and sums in float.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ram/quantization/dot_lines.h"
#include "ram/tensor/dtype.h"

namespace ram {

// y[v * y_stride + r] = row r . x[v] for rows [rows, cols] of F32, F16 or BF16
// and x [vectors, cols]; kDotPadding bytes behind the last row are readable.
void MultiplyFloats(DType dtype, const std::byte* weights, uint64_t rows,
                    uint64_t cols, const float* x, uint64_t vectors, float* y,
                    uint64_t y_stride);

}  // namespace ram
