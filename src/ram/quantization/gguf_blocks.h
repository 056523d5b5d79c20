// Weights in ggml's blocks, decoded. Layouts and arithmetic are those of
// ggml-quants.c (dequantize_row_*): the same floats, to the bit.
//
// Bytes of a block in order; f16 little-endian; q are codes, low nibbles first:
//   Q4_0    d f16; 16 bytes of q                        w = d * (q - 8)
//   Q4_1    d, m f16; 16 bytes of q                     w = d * q + m
//   Q5_0    d f16; 4 bytes of 5th bits; 16 of q         w = d * (q - 16)
//   Q5_1    d, m f16; 4 bytes of 5th bits; 16 of q      w = d * q + m
//   Q8_0    d f16; 32 bytes of q, signed                w = d * q
//   IQ4_NL  d f16; 16 bytes of q                        w = d * table[q]
// of 32 weights, where byte i of q holds weights i (low) and i + 16 (high), and
//   Q2_K    16 bytes of (scale, min); 64 of q; d, dmin f16
//           w = d * scale * q - dmin * min, per 16 weights
//   Q3_K    32 bytes of 3rd bits; 64 of q; 12 of scales; d f16
//           w = d * (scale - 32) * (q - 4), per 16
//   Q4_K    d, dmin f16; 12 bytes of (scale, min); 128 of q
//   Q5_K    d, dmin f16; 12 bytes of (scale, min); 32 of 5th bits; 128 of q
//           w = d * scale * q - dmin * min, per 32
//   Q6_K    128 bytes of low bits; 64 of high ones; 16 of scales; d f16
//           w = d * scale * (q - 32), per 16
//   IQ4_XS  d f16; 2 bytes of high, 4 of low bits of scales; 128 of q
//           w = d * (scale - 32) * table[q], per 32
// of 256 weights.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>

#include "ram/tensor/dtype.h"
#include "ram/tensor/ggml_type.h"

namespace ram {

// The values of the 4-bit codes of IQ4_NL and IQ4_XS.
inline constexpr int8_t kIq4Values[16] = {
    -127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113};

// The type of plain numbers: F32, F16, BF16; nullopt for all others.
std::optional<DType> PlainDType(GgmlType type);

// The blocks above, F32, F16 and BF16.
bool CanDecodeBlocks(GgmlType type);

// Scale and min number `i` of eight, six bits each, of Q4_K and Q5_K.
struct ScaleAndMin {
  uint8_t scale;
  uint8_t min;
};
ScaleAndMin UnpackScaleAndMin(const uint8_t* twelve_bytes, int i);
// Scale number `i` of sixteen of Q3_K, 32 already taken off.
int UnpackQ3Scale(const uint8_t* twelve_bytes, int i);

// `in` holds out.size() weights of a type that CanDecodeBlocks; out.size() is a
// multiple of its block. No alignment is needed.
void DecodeBlocks(GgmlType type, const std::byte* in, std::span<float> out);

}  // namespace ram
