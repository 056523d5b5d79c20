#include "ram/tensor/convert.h"

#include <array>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/tensor/convert.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// `in` need not be aligned.
void BF16RowToFloat(const std::byte* in, float* out, size_t n) {
  const hn::ScalableTag<float> df;
  const hn::Rebind<uint16_t, decltype(df)> d16;
  const hn::RebindToUnsigned<decltype(df)> d32;
  const size_t lanes = hn::Lanes(df);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto bits = hn::LoadU(
        d16, reinterpret_cast<const uint16_t*>(in) + i);  // may be unaligned
    const auto wide = hn::ShiftLeft<16>(hn::PromoteTo(d32, bits));
    hn::StoreU(hn::BitCast(df, wide), df, out + i);
  }
  for (; i < n; ++i) {
    uint16_t bits;
    std::memcpy(&bits, in + 2 * i, sizeof bits);
    out[i] = BF16ToFloat(bits);
  }
}

// Round to nearest even in integers; NaN keeps its top bits and stays NaN.
void FloatRowToBF16(const float* in, std::byte* out, size_t n) {
  const hn::ScalableTag<float> df;
  const hn::Rebind<uint16_t, decltype(df)> d16;
  const hn::RebindToUnsigned<decltype(df)> d32;
  const size_t lanes = hn::Lanes(df);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto value = hn::LoadU(df, in + i);
    const auto bits = hn::BitCast(d32, value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1u));
    const auto rounded =
        hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7FFFu))));
    const auto nan = hn::Or(hn::ShiftRight<16>(bits), hn::Set(d32, 0x40u));
    const auto is_nan = hn::RebindMask(d32, hn::IsNaN(value));
    const auto chosen = hn::IfThenElse(is_nan, nan, rounded);
    hn::StoreU(hn::TruncateTo(d16, chosen), d16,
               reinterpret_cast<uint16_t*>(out) + i);
  }
  for (; i < n; ++i) {
    const uint16_t bits = FloatToBF16(in[i]);
    std::memcpy(out + 2 * i, &bits, sizeof bits);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {
namespace {

HWY_EXPORT(BF16RowToFloat);
HWY_EXPORT(FloatRowToBF16);

std::array<float, 256> MakeF8Table() {
  std::array<float, 256> table;
  for (int i = 0; i < 256; ++i) {
    const int exponent = (i >> 3) & 15;
    const int mantissa = i & 7;
    float magnitude;
    if (exponent == 15 && mantissa == 7) {
      magnitude = std::bit_cast<float>(0x7FC00000u);
    } else if (exponent == 0) {
      magnitude = static_cast<float>(mantissa) * 0x1p-9f;
    } else {
      magnitude = std::bit_cast<float>(
          static_cast<uint32_t>((exponent + 120) << 23 | mantissa << 20));
    }
    table[static_cast<size_t>(i)] = i < 128 ? magnitude : -magnitude;
  }
  return table;
}

const std::array<float, 256> kF8Table = MakeF8Table();

}  // namespace

uint16_t FloatToBF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if (value != value) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16);
}

float F16ToFloat(uint16_t half) {
  const uint32_t sign = static_cast<uint32_t>(half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 31u;
  const uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0) {  // zero and subnormals: mantissa x 2^-24, exact
    const float value = static_cast<float>(mantissa) * 0x1p-24f;
    return std::bit_cast<float>(std::bit_cast<uint32_t>(value) | sign);
  }
  const uint32_t wide = exponent == 31 ? 255u : exponent + 112u;
  return std::bit_cast<float>(sign | wide << 23 | mantissa << 13);
}

uint16_t FloatToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint16_t sign = static_cast<uint16_t>((bits >> 16) & 0x8000u);
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  if (magnitude > 0x7F800000u) return static_cast<uint16_t>(sign | 0x7E00u);
  // 65520 and above rounds to infinity.
  if (magnitude >= 0x477FF000u) return static_cast<uint16_t>(sign | 0x7C00u);
  if (magnitude < 0x38800000u) {
    // Subnormal: adding 0.5 puts the rounding where 2^-24 is the last bit.
    const float sum = std::bit_cast<float>(magnitude) + 0.5f;
    return static_cast<uint16_t>(sign |
                                 (std::bit_cast<uint32_t>(sum) - 0x3F000000u));
  }
  const uint32_t rounded =
      magnitude + 0xFFFu + ((magnitude >> 13) & 1u) - (112u << 23);
  return static_cast<uint16_t>(sign | rounded >> 13);
}

float F8E4M3ToFloat(uint8_t bits) { return kF8Table[bits]; }

float RoundTo(DType dtype, float value) {
  if (dtype == DType::kBF16) return BF16ToFloat(FloatToBF16(value));
  if (dtype == DType::kF16) return F16ToFloat(FloatToF16(value));
  return value;
}

void ToFloat(DType dtype, const std::byte* in, std::span<float> out) {
  switch (dtype) {
    case DType::kBF16:
      HWY_DYNAMIC_DISPATCH(BF16RowToFloat)(in, out.data(), out.size());
      return;
    case DType::kF16:
      for (size_t i = 0; i < out.size(); ++i) {
        uint16_t bits;
        std::memcpy(&bits, in + 2 * i, sizeof bits);
        out[i] = F16ToFloat(bits);
      }
      return;
    case DType::kF8E4M3:
      for (size_t i = 0; i < out.size(); ++i) {
        out[i] = F8E4M3ToFloat(static_cast<uint8_t>(in[i]));
      }
      return;
    default:  // F32
      std::memcpy(out.data(), in, out.size_bytes());
  }
}

void FromFloat(DType dtype, std::span<const float> in, std::byte* out) {
  switch (dtype) {
    case DType::kBF16:
      HWY_DYNAMIC_DISPATCH(FloatRowToBF16)(in.data(), out, in.size());
      return;
    case DType::kF16:
      for (size_t i = 0; i < in.size(); ++i) {
        const uint16_t bits = FloatToF16(in[i]);
        std::memcpy(out + 2 * i, &bits, sizeof bits);
      }
      return;
    default:  // F32
      std::memcpy(out, in.data(), in.size_bytes());
  }
}

}  // namespace ram
#endif  // HWY_ONCE
