// The symmetric integer codec of compressed-tensors, pack-quantized:
// w = scale * q, q in [-2^(bits-1), 2^(bits-1) - 1], one scale per group of
// consecutive weights of a row. Stored are q + 2^(bits-1), one little-endian
// bit stream along the row, least significant bit first, in 32-bit words: the
// same stream as MLX's (affine.h), so this is the affine codec with a bias of
// -2^(bits-1) scales that is not stored.
// Source: compressed_tensors 0.20.1, compressors/pack_quantized/helpers.py,
// quantization/utils/helpers.py, quantization/lifecycle/forward_helpers.py.
//
// All kernels give the same bytes on every SIMD target.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ram/quantization/scheme.h"
#include "ram/tensor/dtype.h"

namespace ram {

// Bytes per row of codes and of scales (2 bytes a group).
uint64_t PackedIntCodeBytes(const Scheme& scheme, uint64_t cols);
uint64_t PackedIntScaleBytes(const Scheme& scheme, uint64_t cols);

// Each span is as long as the per-row bytes above times rows.
struct PackedIntOutput {
  std::span<std::byte> codes;
  std::span<std::byte> scales;
};
struct PackedIntInput {
  std::span<const std::byte> codes;
  std::span<const std::byte> scales;
};

// Encodes `weights`, rows of `cols` (a multiple of the group size), finite.
// scale_dtype is F16 or BF16. Encoder::kMinMax writes the bytes that
// compressed-tensors makes of the weights in that type: scale = max |w| /
// ((2^bits - 1) / 2), every quotient rounded to the type before it becomes a
// code. Encoder::kSearch tries scales of either sign (the range of the codes
// is longer below zero), casts each before it is judged, and stores the nearest
// codes of the best; best as for EncodeAffine. The scale of kMinMax is always
// among the candidates.
//
// Returns the sum of squared errors of what was stored, in fixed order: equal
// for any SIMD target and, summed over row slices in order, for any number of
// threads.
double EncodePackedInt(const Scheme& scheme, Encoder encoder, DType scale_dtype,
                       std::span<const float> weights, uint64_t cols,
                       const PackedIntOutput& out);

// The sums that EncodePackedInt would return for each of `schemes` (all legal
// for cols), without storing anything. squared_errors[i] belongs to schemes[i].
void MeasurePackedInt(std::span<const Scheme> schemes, Encoder encoder,
                      DType scale_dtype, std::span<const float> weights,
                      uint64_t cols, std::span<double> squared_errors);

// weights[i] = scale * q in float.
void DecodePackedInt(const Scheme& scheme, DType scale_dtype,
                     const PackedIntInput& in, uint64_t cols,
                     std::span<float> weights);

}  // namespace ram
