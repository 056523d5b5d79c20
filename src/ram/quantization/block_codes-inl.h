// Blocks of ggml taken apart: signed codes, and a scale and an offset for each
// run of kRun weights, such that weight = scale * code - offset. For
// block_dot.cc, once per SIMD target; the loops are left to the compiler's
// vectoriser. Layouts: gguf_blocks.h.
#if defined(RAM_QUANTIZATION_BLOCK_CODES_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RAM_QUANTIZATION_BLOCK_CODES_INL_H_
#undef RAM_QUANTIZATION_BLOCK_CODES_INL_H_
#else
#define RAM_QUANTIZATION_BLOCK_CODES_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>

#include "ram/quantization/gguf_blocks.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

HWY_INLINE float Half(const uint8_t* HWY_RESTRICT from) {
  const hn::CappedTag<float, 4> d;
  const hn::Rebind<uint16_t, decltype(d)> d16;
  const hn::Rebind<hwy::float16_t, decltype(d)> df16;
  uint16_t bits;
  std::memcpy(&bits, from, sizeof bits);
  return hn::GetLane(hn::PromoteTo(d, hn::BitCast(df16, hn::Set(d16, bits))));
}

HWY_INLINE uint32_t Word(const uint8_t* HWY_RESTRICT from) {
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return word;
}

HWY_INLINE int8_t Signed(int value) { return static_cast<int8_t>(value); }

// Low halves of kCount bytes, then high halves; less `middle`.
template <size_t kCount>
HWY_INLINE void Nibbles(const uint8_t* HWY_RESTRICT from, uint8_t middle,
                        int8_t* HWY_RESTRICT codes) {
  const hn::CappedTag<uint8_t, kCount> d8;
  uint8_t* HWY_RESTRICT to = reinterpret_cast<uint8_t*>(codes);
  const auto less = hn::Set(d8, middle);
  for (size_t i = 0; i < kCount; i += hn::Lanes(d8)) {
    const auto bytes = hn::LoadU(d8, from + i);
    const auto low = hn::And(bytes, hn::Set(d8, uint8_t{15}));
    hn::StoreU(hn::Sub(low, less), d8, to + i);
    hn::StoreU(hn::Sub(hn::ShiftRight<4>(bytes), less), d8, to + kCount + i);
  }
}

struct Q4_0 {
  static constexpr size_t kWeights = 32, kBytes = 18, kRun = 32;
  static constexpr bool kOffsets = false;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales, float*) {
    scales[0] = Half(block);
    Nibbles<16>(block + 2, 8, codes);
  }
};

struct Q4_1 {
  static constexpr size_t kWeights = 32, kBytes = 20, kRun = 32;
  static constexpr bool kOffsets = true;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales,
                              float* HWY_RESTRICT offsets) {
    scales[0] = Half(block);
    offsets[0] = -Half(block + 2);
    Nibbles<16>(block + 4, 0, codes);
  }
};

// Adds 16 where the bit of a weight is set, 32 bits for 32 weights.
HWY_INLINE void AddFifthBits(const uint8_t* HWY_RESTRICT bits,
                             int8_t* HWY_RESTRICT codes) {
  for (int byte = 0; byte < 4; ++byte) {
    // Each byte of the product is the eight bits; of byte i, bit i is kept.
    const uint64_t kept =
        bits[byte] * uint64_t{0x0101010101010101} & 0x8040201008040201;
    // The highest bit of a byte says whether the byte was not zero.
    const uint64_t high = kept + 0x7F7F7F7F7F7F7F7F;
    const uint64_t sixteens = (high & 0x8080808080808080) >> 3;
    uint64_t eight;
    std::memcpy(&eight, codes + 8 * byte, sizeof eight);
    eight |= sixteens;
    std::memcpy(codes + 8 * byte, &eight, sizeof eight);
  }
}

struct Q5_0 {
  static constexpr size_t kWeights = 32, kBytes = 22, kRun = 32;
  static constexpr bool kOffsets = false;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales, float*) {
    scales[0] = Half(block);
    Nibbles<16>(block + 6, 0, codes);
    AddFifthBits(block + 2, codes);
    for (int i = 0; i < 32; ++i) codes[i] = Signed(codes[i] - 16);
  }
};

struct Q5_1 {
  static constexpr size_t kWeights = 32, kBytes = 24, kRun = 32;
  static constexpr bool kOffsets = true;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales,
                              float* HWY_RESTRICT offsets) {
    scales[0] = Half(block);
    offsets[0] = -Half(block + 2);
    Nibbles<16>(block + 8, 0, codes);
    AddFifthBits(block + 4, codes);
  }
};

struct Q8_0 {
  static constexpr size_t kWeights = 32, kBytes = 34, kRun = 32;
  static constexpr bool kOffsets = false;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales, float*) {
    scales[0] = Half(block);
    std::memcpy(codes, block + 2, 32);
  }
};

struct Q2_K {
  static constexpr size_t kWeights = 256, kBytes = 84, kRun = 16;
  static constexpr bool kOffsets = true;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales,
                              float* HWY_RESTRICT offsets) {
    const float scale = Half(block + 80), offset = Half(block + 82);
    for (int i = 0; i < 16; ++i) {
      scales[i] = scale * static_cast<float>(block[i] & 15);
      offsets[i] = offset * static_cast<float>(block[i] >> 4);
    }
    for (int half = 0; half < 2; ++half) {
      const uint8_t* HWY_RESTRICT q = block + 16 + 32 * half;
      for (int plane = 0; plane < 4; ++plane) {
        int8_t* HWY_RESTRICT out = codes + 128 * half + 32 * plane;
        for (int i = 0; i < 32; ++i) out[i] = Signed(q[i] >> (2 * plane) & 3);
      }
    }
  }
};

// factor * (byte - middle) for the four bytes of each word, in order. By way
// of one wide number, as narrow stores before a wide load are slow.
HWY_INLINE void ScaleBytes(float factor, int middle, uint32_t first,
                           uint32_t second, float* HWY_RESTRICT out) {
  const uint64_t both = first | uint64_t{second} << 32;
  uint8_t bytes[8];
  std::memcpy(bytes, &both, sizeof bytes);
  for (int i = 0; i < 8; ++i) {
    out[i] = factor * static_cast<float>(bytes[i] - middle);
  }
}

struct Q3_K {
  static constexpr size_t kWeights = 256, kBytes = 110, kRun = 16;
  static constexpr bool kOffsets = false;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales, float*) {
    const float scale = Half(block + 108);
    const uint32_t a = Word(block + 96), b = Word(block + 100),
                   c = Word(block + 104);
    constexpr uint32_t kLow = 0x0F0F0F0F, kTwo = 0x03030303;
    ScaleBytes(scale, 32, (a & kLow) | (c & kTwo) << 4,
               (b & kLow) | (c >> 2 & kTwo) << 4, scales);
    ScaleBytes(scale, 32, (a >> 4 & kLow) | (c >> 4 & kTwo) << 4,
               (b >> 4 & kLow) | (c >> 6 & kTwo) << 4, scales + 8);
    for (int half = 0; half < 2; ++half) {
      const uint8_t* HWY_RESTRICT q = block + 32 + 32 * half;
      for (int plane = 0; plane < 4; ++plane) {
        int8_t* HWY_RESTRICT out = codes + 128 * half + 32 * plane;
        for (int i = 0; i < 32; ++i) {
          const int high = block[i] >> (4 * half + plane) & 1;
          out[i] = Signed((q[i] >> (2 * plane) & 3) + 4 * high - 4);
        }
      }
    }
  }
};

// The eight scales and offsets of Q4_K and Q5_K, six bits each.
HWY_INLINE void TakeSixBits(const uint8_t* HWY_RESTRICT block,
                            float* HWY_RESTRICT scales,
                            float* HWY_RESTRICT offsets) {
  const float scale = Half(block), offset = Half(block + 2);
  const uint32_t a = Word(block + 4), b = Word(block + 8), c = Word(block + 12);
  constexpr uint32_t kSix = 0x3F3F3F3F, kLow = 0x0F0F0F0F, kTwo = 0x03030303;
  ScaleBytes(scale, 0, a & kSix, (c & kLow) | (a >> 6 & kTwo) << 4, scales);
  ScaleBytes(offset, 0, b & kSix, (c >> 4 & kLow) | (b >> 6 & kTwo) << 4,
             offsets);
}

struct Q4_K {
  static constexpr size_t kWeights = 256, kBytes = 144, kRun = 32;
  static constexpr bool kOffsets = true;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales,
                              float* HWY_RESTRICT offsets) {
    TakeSixBits(block, scales, offsets);
    for (int part = 0; part < 4; ++part) {
      Nibbles<32>(block + 16 + 32 * part, 0, codes + 64 * part);
    }
  }
};

struct Q5_K {
  static constexpr size_t kWeights = 256, kBytes = 176, kRun = 32;
  static constexpr bool kOffsets = true;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales,
                              float* HWY_RESTRICT offsets) {
    TakeSixBits(block, scales, offsets);
    const uint8_t* HWY_RESTRICT high = block + 16;
    for (int part = 0; part < 4; ++part) {
      const uint8_t* HWY_RESTRICT q = block + 48 + 32 * part;
      int8_t* HWY_RESTRICT out = codes + 64 * part;
      for (int i = 0; i < 32; ++i) {
        out[i] = Signed((q[i] & 15) | (high[i] >> (2 * part) & 1) << 4);
        out[i + 32] = Signed(q[i] >> 4 | (high[i] >> (2 * part + 1) & 1) << 4);
      }
    }
  }
};

struct Q6_K {
  static constexpr size_t kWeights = 256, kBytes = 210, kRun = 16;
  static constexpr bool kOffsets = false;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales, float*) {
    const float scale = Half(block + 208);
    for (int i = 0; i < 16; ++i) {
      scales[i] = scale * static_cast<float>(Signed(block[192 + i]));
    }
    for (int half = 0; half < 2; ++half) {
      const uint8_t* HWY_RESTRICT low = block + 64 * half;
      const uint8_t* HWY_RESTRICT high = block + 128 + 32 * half;
      int8_t* HWY_RESTRICT out = codes + 128 * half;
      for (int i = 0; i < 32; ++i) {
        const int h = high[i];
        out[i] = Signed(((low[i] & 15) | (h & 3) << 4) - 32);
        out[i + 32] = Signed(((low[i + 32] & 15) | (h >> 2 & 3) << 4) - 32);
        out[i + 64] = Signed((low[i] >> 4 | (h >> 4 & 3) << 4) - 32);
        out[i + 96] = Signed((low[i + 32] >> 4 | (h >> 6) << 4) - 32);
      }
    }
  }
};

// 16 bytes: the values of the low halves, then of the high ones.
HWY_INLINE void LookUpNibbles(const uint8_t* HWY_RESTRICT from,
                              int8_t* HWY_RESTRICT codes) {
#if HWY_TARGET == HWY_SCALAR
  for (int i = 0; i < 16; ++i) {
    codes[i] = kIq4Values[from[i] & 15];
    codes[i + 16] = kIq4Values[from[i] >> 4];
  }
#else
  const hn::FixedTag<uint8_t, 16> d8;
  const hn::FixedTag<int8_t, 16> di8;
  const auto bytes = hn::LoadU(d8, from);
  const auto table = hn::LoadU(di8, kIq4Values);
  hn::StoreU(hn::TableLookupBytes(table, hn::And(bytes, hn::Set(d8, 15))), d8,
             reinterpret_cast<uint8_t*>(codes));
  hn::StoreU(hn::TableLookupBytes(table, hn::ShiftRight<4>(bytes)), d8,
             reinterpret_cast<uint8_t*>(codes + 16));
#endif
}

struct IQ4_NL {
  static constexpr size_t kWeights = 32, kBytes = 18, kRun = 32;
  static constexpr bool kOffsets = false;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales, float*) {
    scales[0] = Half(block);
    LookUpNibbles(block + 2, codes);
  }
};

struct IQ4_XS {
  static constexpr size_t kWeights = 256, kBytes = 136, kRun = 32;
  static constexpr bool kOffsets = false;
  static HWY_INLINE void Take(const uint8_t* HWY_RESTRICT block,
                              int8_t* HWY_RESTRICT codes,
                              float* HWY_RESTRICT scales, float*) {
    const float scale = Half(block);
    const int high = block[2] | block[3] << 8;
    for (int i = 0; i < 8; ++i) {
      const int low = block[4 + i / 2] >> (4 * (i % 2)) & 15;
      const int six_bits = low | (high >> (2 * i) & 3) << 4;
      scales[i] = scale * static_cast<float>(six_bits - 32);
    }
    for (int part = 0; part < 8; ++part) {
      LookUpNibbles(block + 8 + 16 * part, codes + 32 * part);
    }
  }
};

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif
