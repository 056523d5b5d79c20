// Elements to float and back. SIMD through Highway; the same bits on every
// target.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ram/tensor/dtype.h"

namespace ram {

inline float BF16ToFloat(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
// Round to nearest, ties to even; NaN stays NaN.
uint16_t FloatToBF16(float value);
float F16ToFloat(uint16_t bits);
uint16_t FloatToF16(float value);
// OCP E4M3: no infinities, 0x7F and 0xFF are NaN.
float F8E4M3ToFloat(uint8_t bits);

// `value` after a round trip through `dtype` (F32, F16 or BF16).
float RoundTo(DType dtype, float value);

// n = out.size() elements of `dtype` (F32, F16, BF16, F8_E4M3), little-endian.
void ToFloat(DType dtype, const std::byte* in, std::span<float> out);
// dtype: F32, F16 or BF16. out has in.size() * DTypeBytes(dtype) bytes.
void FromFloat(DType dtype, std::span<const float> in, std::byte* out);

}  // namespace ram
