#include "ram/quantization/gguf_blocks.h"

#include <cassert>
#include <cstring>

#include "ram/tensor/convert.h"

namespace ram {
namespace {

// Decodes one block.
using Decoder = void (*)(const uint8_t* in, float* out);

float ScaleAt(const uint8_t* in) {
  uint16_t bits;
  std::memcpy(&bits, in, sizeof(bits));
  return F16ToFloat(bits);
}

void DecodeQ4_0(const uint8_t* in, float* out) {
  const float d = ScaleAt(in);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>((in[2 + i] & 15) - 8);
    out[i + 16] = d * static_cast<float>((in[2 + i] >> 4) - 8);
  }
}

void DecodeQ4_1(const uint8_t* in, float* out) {
  const float d = ScaleAt(in);
  const float m = ScaleAt(in + 2);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(in[4 + i] & 15) + m;
    out[i + 16] = d * static_cast<float>(in[4 + i] >> 4) + m;
  }
}

// 5-bit codes of 32 weights: the bits above, then the nibbles.
int Code5(const uint8_t* in, int i) {
  const int low = i < 16 ? in[4 + i] & 15 : in[4 + i - 16] >> 4;
  const int high = in[i / 8] >> (i % 8) & 1;
  return low | high << 4;
}

void DecodeQ5_0(const uint8_t* in, float* out) {
  const float d = ScaleAt(in);
  for (int i = 0; i < 32; ++i) {
    out[i] = d * static_cast<float>(Code5(in + 2, i) - 16);
  }
}

void DecodeQ5_1(const uint8_t* in, float* out) {
  const float d = ScaleAt(in);
  const float m = ScaleAt(in + 2);
  for (int i = 0; i < 32; ++i) {
    out[i] = d * static_cast<float>(Code5(in + 4, i)) + m;
  }
}

void DecodeQ8_0(const uint8_t* in, float* out) {
  const float d = ScaleAt(in);
  for (int i = 0; i < 32; ++i) {
    out[i] = d * static_cast<float>(static_cast<int8_t>(in[2 + i]));
  }
}

void DecodeIQ4_NL(const uint8_t* in, float* out) {
  const float d = ScaleAt(in);
  for (int i = 0; i < 16; ++i) {
    out[i] = d * static_cast<float>(kIq4Values[in[2 + i] & 15]);
    out[i + 16] = d * static_cast<float>(kIq4Values[in[2 + i] >> 4]);
  }
}

// Q2_K and Q3_K: 2-bit code of weight `i` of 256. Each 32 bytes hold 128
// weights, 32 per pair of bits.
int Code2(const uint8_t* codes, int i) {
  return codes[i / 128 * 32 + i % 32] >> (i % 128 / 32 * 2) & 3;
}

void DecodeQ2_K(const uint8_t* in, float* out) {
  const uint8_t* const codes = in + 16;
  const float d = ScaleAt(in + 80);
  const float dmin = ScaleAt(in + 82);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(in[group] & 15);
    const float min = dmin * static_cast<float>(in[group] >> 4);
    for (int i = group * 16; i < group * 16 + 16; ++i) {
      out[i] = scale * static_cast<float>(Code2(codes, i)) - min;
    }
  }
}

void DecodeQ3_K(const uint8_t* in, float* out) {
  const uint8_t* const codes = in + 32;
  const float d = ScaleAt(in + 108);
  for (int group = 0; group < 16; ++group) {
    const float scale = d * static_cast<float>(UnpackQ3Scale(in + 96, group));
    for (int i = group * 16; i < group * 16 + 16; ++i) {
      const int high = in[i % 32] >> (i / 32) & 1;
      out[i] = scale * static_cast<float>(Code2(codes, i) + 4 * high - 4);
    }
  }
}

void DecodeQ4_K(const uint8_t* in, float* out) {
  const float d = ScaleAt(in);
  const float dmin = ScaleAt(in + 2);
  for (int group = 0; group < 8; ++group) {
    const auto [scale, min] = UnpackScaleAndMin(in + 4, group);
    const float step = d * static_cast<float>(scale);
    const float offset = dmin * static_cast<float>(min);
    const uint8_t* const codes = in + 16 + group / 2 * 32;
    const int shift = group % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int code = codes[i] >> shift & 15;
      out[group * 32 + i] = step * static_cast<float>(code) - offset;
    }
  }
}

void DecodeQ5_K(const uint8_t* in, float* out) {
  const float d = ScaleAt(in);
  const float dmin = ScaleAt(in + 2);
  const uint8_t* const high = in + 16;
  for (int group = 0; group < 8; ++group) {
    const auto [scale, min] = UnpackScaleAndMin(in + 4, group);
    const float step = d * static_cast<float>(scale);
    const float offset = dmin * static_cast<float>(min);
    const uint8_t* const codes = in + 48 + group / 2 * 32;
    const int shift = group % 2 * 4;
    for (int i = 0; i < 32; ++i) {
      const int code = (codes[i] >> shift & 15) | (high[i] >> group & 1) << 4;
      out[group * 32 + i] = step * static_cast<float>(code) - offset;
    }
  }
}

void DecodeQ6_K(const uint8_t* in, float* out) {
  const float d = ScaleAt(in + 208);
  for (int group = 0; group < 8; ++group) {
    const int half = group / 4;
    const uint8_t* const low = in + half * 64 + group % 2 * 32;
    const uint8_t* const high = in + 128 + half * 32;
    const int low_shift = group % 4 / 2 * 4;
    const int high_shift = group % 4 * 2;
    for (int i = 0; i < 32; ++i) {
      const auto scale = static_cast<int8_t>(in[192 + group * 2 + i / 16]);
      const int code = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3)
                                                        << 4;
      out[group * 32 + i] =
          d * static_cast<float>(scale) * static_cast<float>(code - 32);
    }
  }
}

void DecodeIQ4_XS(const uint8_t* in, float* out) {
  const float d = ScaleAt(in);
  for (int group = 0; group < 8; ++group) {
    const int low = in[4 + group / 2] >> (group % 2 * 4) & 15;
    const int high = in[2 + group / 4] >> (group % 4 * 2) & 3;
    const float step = d * static_cast<float>((low | high << 4) - 32);
    const uint8_t* const codes = in + 8 + group * 16;
    float* const to = out + group * 32;
    for (int i = 0; i < 16; ++i) {
      to[i] = step * static_cast<float>(kIq4Values[codes[i] & 15]);
      to[i + 16] = step * static_cast<float>(kIq4Values[codes[i] >> 4]);
    }
  }
}

// Null for what is not a block, or not decoded.
Decoder DecoderOf(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
      return DecodeQ4_0;
    case GgmlType::kQ4_1:
      return DecodeQ4_1;
    case GgmlType::kQ5_0:
      return DecodeQ5_0;
    case GgmlType::kQ5_1:
      return DecodeQ5_1;
    case GgmlType::kQ8_0:
      return DecodeQ8_0;
    case GgmlType::kQ2_K:
      return DecodeQ2_K;
    case GgmlType::kQ3_K:
      return DecodeQ3_K;
    case GgmlType::kQ4_K:
      return DecodeQ4_K;
    case GgmlType::kQ5_K:
      return DecodeQ5_K;
    case GgmlType::kQ6_K:
      return DecodeQ6_K;
    case GgmlType::kIQ4_NL:
      return DecodeIQ4_NL;
    case GgmlType::kIQ4_XS:
      return DecodeIQ4_XS;
    default:
      return nullptr;
  }
}

}  // namespace

std::optional<DType> PlainDType(GgmlType type) {
  switch (type) {
    case GgmlType::kF32:
      return DType::kF32;
    case GgmlType::kF16:
      return DType::kF16;
    case GgmlType::kBF16:
      return DType::kBF16;
    default:
      return std::nullopt;
  }
}

bool CanDecodeBlocks(GgmlType type) {
  return PlainDType(type).has_value() || DecoderOf(type) != nullptr;
}

// Bytes 0-3 and 4-7 hold the low six bits of the first four scales and mins;
// above them, and in bytes 8-11, are those of the last four.
ScaleAndMin UnpackScaleAndMin(const uint8_t* bytes, int i) {
  if (i < 4) {
    return {static_cast<uint8_t>(bytes[i] & 63),
            static_cast<uint8_t>(bytes[i + 4] & 63)};
  }
  return {static_cast<uint8_t>((bytes[i + 4] & 15) | bytes[i - 4] >> 6 << 4),
          static_cast<uint8_t>(bytes[i + 4] >> 4 | bytes[i] >> 6 << 4)};
}

// Bytes 0-7: low four bits of the first eight, then of the last eight; bytes
// 8-11: two high bits of scales i, i + 4, i + 8, i + 12.
int UnpackQ3Scale(const uint8_t* bytes, int i) {
  const int low = i < 8 ? bytes[i] & 15 : bytes[i - 8] >> 4;
  const int high = bytes[8 + i % 4] >> (i / 4 * 2) & 3;
  return (low | high << 4) - 32;
}

void DecodeBlocks(GgmlType type, const std::byte* in, std::span<float> out) {
  if (const auto dtype = PlainDType(type)) {
    ToFloat(*dtype, in, out);
    return;
  }
  const Decoder decode = DecoderOf(type);
  const GgmlTypeFacts& facts = FactsOf(type);
  assert(decode && out.size() % facts.block_weights == 0);
  const auto* bytes = reinterpret_cast<const uint8_t*>(in);
  for (size_t i = 0; i < out.size(); i += facts.block_weights) {
    decode(bytes, &out[i]);
    bytes += facts.block_bytes;
  }
}

}  // namespace ram
