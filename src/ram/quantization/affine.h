// MLX's affine codec: w = scale * code + bias, one pair per group of
// consecutive weights of a row; codes are one little-endian bit stream along
// the row, least significant bit first, in 32-bit words (docs/formats/mlx.md).
// Source: mlx/backend/cpu/quantized.cpp.
//
// All kernels give the same bytes on every SIMD target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ram/quantization/scheme.h"
#include "ram/tensor/dtype.h"

namespace ram {

// Bytes per row of each of the three stored tensors.
uint64_t AffineCodeBytes(const Scheme& scheme, uint64_t cols);
// The same for scales and for biases (2 bytes a group).
uint64_t AffineScaleBytes(const Scheme& scheme, uint64_t cols);

// Where the encoder writes and the decoder reads. Each span is as long as the
// per-row bytes above times rows.
struct AffineOutput {
  std::span<std::byte> codes;
  std::span<std::byte> scales;
  std::span<std::byte> biases;
};
struct AffineInput {
  std::span<const std::byte> codes;
  std::span<const std::byte> scales;
  std::span<const std::byte> biases;
};

// Encoder::kSearch casts every candidate pair (scale, bias) to the stored type
// before it is judged and stores the nearest codes of the best. Best is the
// least squared error; at 2 and 3 bits each error counts (1 + |w| / rms of the
// group) times. MLX's own pair is always among the candidates.
//
// No encoder stores an infinity: where MLX's own would, kMinMax stores the
// largest finite value.
//
// Encodes `weights`, rows of `cols` (a multiple of the group size), finite.
// scale_dtype is F16 or BF16. Returns the sum of squared errors of what was
// stored, in fixed order: equal for any SIMD target and, summed over
// row slices in order, for any number of threads.
double EncodeAffine(const Scheme& scheme, Encoder encoder, DType scale_dtype,
                    std::span<const float> weights, uint64_t cols,
                    const AffineOutput& out);

// The sum that EncodeAffine with Encoder::kSearch would return, for each of
// `schemes` (affine, all legal for cols), without storing anything.
// squared_errors[i] belongs to schemes[i].
void MeasureAffineSearch(std::span<const Scheme> schemes, DType scale_dtype,
                         std::span<const float> weights, uint64_t cols,
                         std::span<double> squared_errors);

// weights[i] = scale * code + bias in float.
void DecodeAffine(const Scheme& scheme, DType scale_dtype,
                  const AffineInput& in, uint64_t cols,
                  std::span<float> weights);

}  // namespace ram
