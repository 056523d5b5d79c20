// Weights in oneDNN's own layout, as bf16 or f32.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "ram/evaluation/linear.h"
#include "ram/evaluation/score.h"

namespace ram {

// Where the processor multiplies bf16 numbers itself; without, kBF16 would be
// slower than kF32, so callers use kF32.
bool HasFastBF16();

// Rows [row, row + out.size() / in) of a matrix [out, in].
using RowReader = std::function<void(uint64_t row, std::span<float> out)>;

// Reads a matrix slice by slice (with `threads` threads) and packs it; no more
// than a slice per thread lies unpacked in memory. Apply runs on the thread
// that calls it and repeats exactly for the same rows.
std::unique_ptr<Linear> PackLinear(uint64_t in, uint64_t out,
                                   const RowReader& read, ComputeType compute,
                                   int threads);

// c [rows, out] = a [rows, in] x b^T + beta * c, b [out, in]; or with b
// [in, out] where not transposed. Row strides in floats. On this thread.
void MultiplyF32(bool transpose_b, uint64_t rows, uint64_t out, uint64_t in,
                 float alpha, const float* a, uint64_t a_stride, const float* b,
                 uint64_t b_stride, float beta, float* c, uint64_t c_stride);

// The same of bf16 numbers, b being packed on the way; a [rows, in] and c
// [rows, out] without gaps. Worth it from some dozens of rows on. Only where
// HasFastBF16().
void MultiplyBF16(bool transpose_b, uint64_t rows, uint64_t out, uint64_t in,
                  const float* a, const float* b, uint64_t b_stride,
                  bool accumulate, float* c);

}  // namespace ram
