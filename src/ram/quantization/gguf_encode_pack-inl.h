// Codes and scales of a tile into ggml's blocks, once for each SIMD target; the
// loops are left to the compiler's vectoriser. Layouts: gguf_blocks.h.
#if defined(RAM_QUANTIZATION_GGUF_ENCODE_PACK_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef RAM_QUANTIZATION_GGUF_ENCODE_PACK_INL_H_
#undef RAM_QUANTIZATION_GGUF_ENCODE_PACK_INL_H_
#else
#define RAM_QUANTIZATION_GGUF_ENCODE_PACK_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>

#include "ram/quantization/gguf_encode_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

HWY_INLINE uint8_t Byte(unsigned value) { return static_cast<uint8_t>(value); }

// An F16 that `value` is exactly.
HWY_INLINE void PutHalf(float value, uint8_t* HWY_RESTRICT to) {
  uint32_t bits;
  const float magnitude = value < 0 ? -value : value;
  std::memcpy(&bits, &magnitude, sizeof bits);
  // The exponent's bias is 15 instead of 127; below 2^-14 the last bit is
  // 2^-24.
  const uint32_t half = magnitude < 0x1p-14f
                            ? static_cast<uint32_t>(magnitude * 0x1p24f)
                            : (bits >> 13) - (112u << 10);
  const uint32_t sign = value < 0 ? 0x8000u : 0u;
  to[0] = Byte(half & 255);
  to[1] = Byte((half | sign) >> 8);
}

// One block: codes[0, 32) or [0, 256), scales and mins from lane `first` on.
struct PackedBlock {
  const uint8_t* HWY_RESTRICT codes;
  const BlockTile& tile;
  size_t first;

  HWY_INLINE unsigned Scale(size_t run, int lowest) const {
    return static_cast<unsigned>(
        static_cast<int>(tile.scale_code.at[first + run]) - lowest);
  }
  HWY_INLINE unsigned Min(size_t run) const {
    return static_cast<unsigned>(tile.min_code.at[first + run]);
  }
};

// Weights i and i + kCount into byte i.
template <size_t kCount>
HWY_INLINE void PutNibbles(const uint8_t* HWY_RESTRICT codes,
                           uint8_t* HWY_RESTRICT to) {
  for (size_t i = 0; i < kCount; ++i) {
    to[i] = Byte((codes[i] & 15u) | (codes[i + kCount] & 15u) << 4);
  }
}

HWY_INLINE void PutFifthBits(const uint8_t* HWY_RESTRICT codes,
                             uint8_t* HWY_RESTRICT to) {
  for (size_t byte = 0; byte < 4; ++byte) {
    unsigned bits = 0;
    for (size_t i = 0; i < 8; ++i) {
      bits |= (codes[8 * byte + i] >> 4 & 1u) << i;
    }
    to[byte] = Byte(bits);
  }
}

HWY_INLINE void PackQ8_0(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutHalf(block.tile.d.at[block.first], to);
  for (size_t i = 0; i < 32; ++i) to[2 + i] = Byte(block.codes[i] ^ 128u);
}
HWY_INLINE void PackQ4_0(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutHalf(block.tile.d.at[block.first], to);
  PutNibbles<16>(block.codes, to + 2);
}
HWY_INLINE void PackQ5_0(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutHalf(block.tile.d.at[block.first], to);
  PutFifthBits(block.codes, to + 2);
  PutNibbles<16>(block.codes, to + 6);
}
HWY_INLINE void PackQ4_1(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutHalf(block.tile.d.at[block.first], to);
  PutHalf(-block.tile.d_min.at[block.first], to + 2);
  PutNibbles<16>(block.codes, to + 4);
}
HWY_INLINE void PackQ5_1(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutHalf(block.tile.d.at[block.first], to);
  PutHalf(-block.tile.d_min.at[block.first], to + 2);
  PutFifthBits(block.codes, to + 4);
  PutNibbles<16>(block.codes, to + 8);
}

// Two bits of each of 256 codes: 32 bytes for 128 weights, 32 per pair of bits.
HWY_INLINE void PutTwoBits(const uint8_t* HWY_RESTRICT codes,
                           uint8_t* HWY_RESTRICT to) {
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t* HWY_RESTRICT q = codes + 128 * half;
    for (size_t i = 0; i < 32; ++i) {
      to[32 * half + i] = Byte((q[i] & 3u) | (q[i + 32] & 3u) << 2 |
                               (q[i + 64] & 3u) << 4 | (q[i + 96] & 3u) << 6);
    }
  }
}

// Bit number `bit` of each of 256 codes: bit i / 32 of byte i % 32.
HWY_INLINE void PutBit(int bit, const uint8_t* HWY_RESTRICT codes,
                       uint8_t* HWY_RESTRICT to) {
  for (size_t i = 0; i < 32; ++i) {
    unsigned bits = 0;
    for (size_t k = 0; k < 8; ++k) {
      bits |= (codes[32 * k + i] >> bit & 1u) << k;
    }
    to[i] = Byte(bits);
  }
}

HWY_INLINE void PackQ2_K(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  for (size_t i = 0; i < 16; ++i) {
    to[i] = Byte(block.Scale(i, 0) | block.Min(i) << 4);
  }
  PutTwoBits(block.codes, to + 16);
  PutHalf(block.tile.d.at[block.first], to + 80);
  PutHalf(block.tile.d_min.at[block.first], to + 82);
}

HWY_INLINE void PackQ3_K(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutBit(2, block.codes, to);
  PutTwoBits(block.codes, to + 32);
  for (size_t i = 0; i < 8; ++i) {
    to[96 + i] =
        Byte((block.Scale(i, -32) & 15) | (block.Scale(i + 8, -32) & 15) << 4);
  }
  for (size_t i = 0; i < 4; ++i) {
    unsigned bits = 0;
    for (size_t k = 0; k < 4; ++k) {
      bits |= (block.Scale(4 * k + i, -32) >> 4) << (2 * k);
    }
    to[104 + i] = Byte(bits);
  }
  PutHalf(block.tile.d.at[block.first], to + 108);
}

// d, d_min, and six bits for each of eight scales and mins: those of the last
// four lie in the bytes 8-11 and above the first four's.
HWY_INLINE void PutSixBits(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutHalf(block.tile.d.at[block.first], to);
  PutHalf(block.tile.d_min.at[block.first], to + 2);
  for (size_t i = 0; i < 4; ++i) {
    const unsigned scale = block.Scale(i + 4, 0), min = block.Min(i + 4);
    to[4 + i] = Byte(block.Scale(i, 0) | scale >> 4 << 6);
    to[8 + i] = Byte(block.Min(i) | min >> 4 << 6);
    to[12 + i] = Byte((scale & 15) | (min & 15) << 4);
  }
}

HWY_INLINE void PackQ4_K(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutSixBits(block, to);
  for (size_t part = 0; part < 4; ++part) {
    PutNibbles<32>(block.codes + 64 * part, to + 16 + 32 * part);
  }
}
HWY_INLINE void PackQ5_K(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutSixBits(block, to);
  PutBit(4, block.codes, to + 16);
  for (size_t part = 0; part < 4; ++part) {
    PutNibbles<32>(block.codes + 64 * part, to + 48 + 32 * part);
  }
}

HWY_INLINE void PackQ6_K(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  for (size_t half = 0; half < 2; ++half) {
    const uint8_t* HWY_RESTRICT q = block.codes + 128 * half;
    PutNibbles<64>(q, to + 64 * half);
    for (size_t i = 0; i < 32; ++i) {
      to[128 + 32 * half + i] =
          Byte((q[i] >> 4 & 3u) | (q[i + 32] >> 4 & 3u) << 2 |
               (q[i + 64] >> 4 & 3u) << 4 | (q[i + 96] >> 4 & 3u) << 6);
    }
  }
  for (size_t i = 0; i < 16; ++i) {
    to[192 + i] = Byte(block.Scale(i, -128) ^ 128u);
  }
  PutHalf(block.tile.d.at[block.first], to + 208);
}

HWY_INLINE void PackIQ4_XS(const PackedBlock& block, uint8_t* HWY_RESTRICT to) {
  PutHalf(block.tile.d.at[block.first], to);
  unsigned high = 0;
  for (size_t i = 0; i < 8; ++i) {
    high |= (block.Scale(i, -32) >> 4) << (2 * i);
  }
  to[2] = Byte(high & 255);
  to[3] = Byte(high >> 8);
  for (size_t i = 0; i < 4; ++i) {
    to[4 + i] = Byte((block.Scale(2 * i, -32) & 15) |
                     (block.Scale(2 * i + 1, -32) & 15) << 4);
  }
  for (size_t part = 0; part < 8; ++part) {
    PutNibbles<16>(block.codes + 32 * part, to + 8 + 16 * part);
  }
}

HWY_INLINE void PackBlock(GgmlType type, const PackedBlock& block,
                          uint8_t* HWY_RESTRICT to) {
  switch (type) {
    case GgmlType::kQ8_0:
      return PackQ8_0(block, to);
    case GgmlType::kQ4_0:
    case GgmlType::kIQ4_NL:
      return PackQ4_0(block, to);
    case GgmlType::kQ5_0:
      return PackQ5_0(block, to);
    case GgmlType::kQ4_1:
      return PackQ4_1(block, to);
    case GgmlType::kQ5_1:
      return PackQ5_1(block, to);
    case GgmlType::kQ2_K:
      return PackQ2_K(block, to);
    case GgmlType::kQ3_K:
      return PackQ3_K(block, to);
    case GgmlType::kQ4_K:
      return PackQ4_K(block, to);
    case GgmlType::kQ5_K:
      return PackQ5_K(block, to);
    case GgmlType::kQ6_K:
      return PackQ6_K(block, to);
    default:
      return PackIQ4_XS(block, to);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif
