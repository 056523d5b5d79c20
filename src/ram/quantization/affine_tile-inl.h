// Pieces of the affine kernels, compiled once for each SIMD target: moving
// tiles, packing codes, rounding to the stored types.
#if defined(RAM_QUANTIZATION_AFFINE_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RAM_QUANTIZATION_AFFINE_TILE_INL_H_
#undef RAM_QUANTIZATION_AFFINE_TILE_INL_H_
#else
#define RAM_QUANTIZATION_AFFINE_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include "ram/quantization/affine_kernels.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Up to 16 lanes, each with its own group.
using LaneTag = hn::CappedTag<float, kTileLanes>;
using V = hn::Vec<LaneTag>;
using DU = hn::RebindToUnsigned<LaneTag>;
using VU = hn::Vec<DU>;

// x in [0, 255]: adding 2^23 rounds to nearest, ties to even, and leaves the
// integer in the low bits; subtracting it again gives the rounded float.
inline constexpr float kRoundingMagic = 0x1.8p23f;

// [rows, cols] -> [cols, rows]; both multiples of 4. 128-bit blocks exist on
// every target but the scalar one.
template <typename T>
HWY_INLINE void TransposeBlocks(const T* HWY_RESTRICT in, size_t rows,
                                size_t cols, T* HWY_RESTRICT out) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t r = 0; r < rows; ++r) {
    for (size_t c = 0; c < cols; ++c) out[c * rows + r] = in[r * cols + c];
  }
#else
  const hn::FixedTag<T, 4> d;
  const hn::FixedTag<uint64_t, 2> pair;
  for (size_t c = 0; c < cols; c += 4) {
    for (size_t r = 0; r < rows; r += 4) {
      const auto a0 = hn::LoadU(d, in + r * cols + c);
      const auto a1 = hn::LoadU(d, in + (r + 1) * cols + c);
      const auto a2 = hn::LoadU(d, in + (r + 2) * cols + c);
      const auto a3 = hn::LoadU(d, in + (r + 3) * cols + c);
      const auto low01 = hn::BitCast(pair, hn::InterleaveLower(d, a0, a1));
      const auto low23 = hn::BitCast(pair, hn::InterleaveLower(d, a2, a3));
      const auto high01 = hn::BitCast(pair, hn::InterleaveUpper(d, a0, a1));
      const auto high23 = hn::BitCast(pair, hn::InterleaveUpper(d, a2, a3));
      T* to = out + c * rows + r;
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pair, low01, low23)), d,
                 to);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pair, low01, low23)), d,
                 to + rows);
      hn::StoreU(hn::BitCast(d, hn::InterleaveLower(pair, high01, high23)), d,
                 to + 2 * rows);
      hn::StoreU(hn::BitCast(d, hn::InterleaveUpper(pair, high01, high23)), d,
                 to + 3 * rows);
    }
  }
#endif
}

// 32 codes of each lane -> `bits` words. A runtime loop: unrolled templates
// are a little faster but take minutes to compile under sanitizers.
HWY_INLINE void PackLanes(int bits, const uint32_t* HWY_RESTRICT codes,
                          uint32_t* HWY_RESTRICT words) {
  const DU d;
  VU word = hn::Zero(d);
  int shift = 0;  // of the next code in `word`
  for (size_t row = 0; row < 32; ++row) {
    const VU code = hn::Load(d, codes + row * kTileLanes);
    word = hn::Or(word, hn::ShiftLeftSame(code, shift));
    shift += bits;
    if (shift >= 32) {
      hn::Store(word, d, words);
      words += kTileLanes;
      shift -= 32;
      word = shift == 0 ? hn::Zero(d) : hn::ShiftRightSame(code, bits - shift);
    }
  }
}

HWY_INLINE void UnpackLanes(int bits, const uint32_t* HWY_RESTRICT words,
                            uint32_t* HWY_RESTRICT codes) {
  const DU d;
  const VU mask = hn::Set(d, (1u << bits) - 1);
  VU word = hn::Load(d, words);
  int shift = 0;  // of the next code in `word`
  for (size_t row = 0; row < 32; ++row) {
    VU code = hn::ShiftRightSame(word, shift);
    shift += bits;
    if (shift >= 32 && row != 31) {
      words += kTileLanes;
      word = hn::Load(d, words);
      shift -= 32;
      if (shift != 0) {
        code = hn::Or(code, hn::ShiftLeftSame(word, bits - shift));
      }
    }
    hn::Store(hn::And(code, mask), d, codes + row * kTileLanes);
  }
}

// The largest finite value of a stored type.
HWY_INLINE float LargestStored(DType dtype) {
  return dtype == DType::kF16 ? 65504.0f : 0x1.FEp127f;
}

// To the nearest F16 or BF16, ties to even, as a float. |x| is at most
// LargestStored. Integer and plain float steps only: hardware conversions are
// missing on some targets.
HWY_INLINE V RoundStored(V x, DType dtype) {
  const LaneTag d;
  const DU du;
  const V magnitude = hn::Abs(x);
  const VU bits = hn::BitCast(du, magnitude);
  const VU one = hn::Set(du, 1u);
  if (dtype == DType::kF16) {
    const VU odd = hn::And(hn::ShiftRight<13>(bits), one);
    const VU sum = hn::Add(bits, hn::Add(odd, hn::Set(du, 0xFFFu)));
    const VU normal = hn::ShiftLeft<13>(hn::ShiftRight<13>(sum));
    // Below 2^-14 the last bit is 2^-24, that of 0.5f.
    const V half = hn::Set(d, 0.5f);
    const V tiny = hn::Sub(hn::Add(magnitude, half), half);
    const V rounded = hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0x1p-14f)),
                                     tiny, hn::BitCast(d, normal));
    return hn::CopySign(rounded, x);
  }
  const VU odd = hn::And(hn::ShiftRight<16>(bits), one);
  const VU sum = hn::Add(bits, hn::Add(odd, hn::Set(du, 0x7FFFu)));
  const VU rounded = hn::ShiftLeft<16>(hn::ShiftRight<16>(sum));
  return hn::CopySign(hn::BitCast(d, rounded), x);
}

// The same for any x but NaN: what would become infinite becomes the largest
// finite value.
HWY_INLINE V RoundFinite(V x, DType dtype) {
  const V limit = hn::Set(LaneTag(), LargestStored(dtype));
  return RoundStored(hn::CopySign(hn::Min(hn::Abs(x), limit), x), dtype);
}

HWY_INLINE void GroupRange(const float* HWY_RESTRICT w, size_t rows, V& low,
                           V& high) {
  const LaneTag d;
  low = high = hn::Load(d, w);
#pragma GCC unroll 4
  for (size_t row = 1; row < rows; ++row) {
    const V weight = hn::Load(d, w + row * kTileLanes);
    low = hn::Min(low, weight);
    high = hn::Max(high, weight);
  }
}

// MLX's scale and bias before the cast; see docs/formats/mlx.md.
HWY_INLINE void MinMaxPair(V low, V high, float max_code, V& scale, V& bias) {
  const LaneTag d;
  const V step = hn::Max(hn::Div(hn::Sub(high, low), hn::Set(d, max_code)),
                         hn::Set(d, 1e-7f));
  const auto low_is_larger = hn::Gt(hn::Abs(low), hn::Abs(high));
  scale = hn::IfThenElse(low_is_larger, step, hn::Neg(step));
  const V edge = hn::IfThenElse(low_is_larger, low, high);
  const V zero_code = hn::Round(hn::Div(edge, scale));
  const V zero = hn::Zero(d);
  const auto has_zero = hn::Ne(zero_code, zero);
  scale = hn::IfThenElse(has_zero, hn::Div(edge, zero_code), scale);
  bias = hn::IfThenElse(has_zero, edge, zero);
}

// x = weight * inverse - offset is where a weight lies among the codes. Two
// products, because weight - bias may overflow. `scale` is not zero.
HWY_INLINE void CodeMap(V scale, V bias, V& inverse, V& offset) {
  inverse = hn::Div(hn::Set(LaneTag(), 1.0f), scale);
  offset = hn::Mul(bias, inverse);
}
HWY_INLINE V PlaceOnGrid(V weight, V inverse, V offset) {
  return hn::Sub(hn::Mul(weight, inverse), offset);
}

// The code plus kRoundingMagic.
HWY_INLINE V BiasedCode(V x, V max_code) {
  const LaneTag d;
  const hn::RebindToSigned<LaneTag> di;
  const V magic = hn::Set(d, kRoundingMagic);
  const auto bits = hn::BitCast(di, hn::Add(x, magic));
  const auto lowest = hn::BitCast(di, magic);
  const auto highest = hn::BitCast(di, hn::Add(max_code, magic));
  return hn::BitCast(d, hn::Min(hn::Max(bits, lowest), highest));
}
HWY_INLINE VU CodeBits(V biased_code) {
  const DU du;
  return hn::And(hn::BitCast(du, biased_code), hn::Set(du, 0xFFu));
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif
