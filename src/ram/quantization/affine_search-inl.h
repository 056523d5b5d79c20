// The search for a group's scale and bias, compiled once for each SIMD
// target. Every pair is cast to the stored type before it is judged, so what
// is measured is what will be decoded.
#if defined(RAM_QUANTIZATION_AFFINE_SEARCH_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RAM_QUANTIZATION_AFFINE_SEARCH_INL_H_
#undef RAM_QUANTIZATION_AFFINE_SEARCH_INL_H_
#else
#define RAM_QUANTIZATION_AFFINE_SEARCH_INL_H_
#endif

#include <hwy/highway.h>

#include "ram/quantization/affine_search_starts.h"
#include "ram/quantization/affine_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

// Casts a scale; never zero, and small enough that scale * code is finite.
template <int kBits>
HWY_INLINE V StoredScale(V scale, DType dtype) {
  const LaneTag d;
  const bool half = dtype == DType::kF16;
  const V smallest = hn::Set(d, half ? 0x1p-24f : 0x1p-100f);
  // 0x1.F8p127 leaves room for rounding up.
  const V largest = hn::Set(
      d, half ? 65504.0f : 0x1.F8p127f / static_cast<float>((1 << kBits) - 1));
  const V magnitude = hn::Min(hn::Max(hn::Abs(scale), smallest), largest);
  return RoundStored(hn::CopySign(magnitude, scale), dtype);
}

// Rounds the group to the nearest codes of (scale, bias); gives the squared
// error in units of scale^2. With kRefit also the least-squares pair for
// these codes, cast.
template <int kBits, bool kRefit>
HWY_INLINE void TryPair(const float* HWY_RESTRICT w, size_t rows, DType dtype,
                        V scale, V bias, V& error, V& next_scale,
                        V& next_bias) {
  const LaneTag d;
  const V n = hn::Set(d, static_cast<float>((1 << kBits) - 1));
  const V magic = hn::Set(d, kRoundingMagic);
  V inverse = hn::Zero(d), offset = hn::Zero(d);
  CodeMap(scale, bias, inverse, offset);
  // Sums over the group of e^2, e, q, q^2, q e; q the code, e the error in
  // codes.
  V ee = hn::Zero(d), se = ee, sq = ee, qq = ee, qe = ee;
#pragma GCC unroll 4
  for (size_t row = 0; row < rows; ++row) {
    const V x = PlaceOnGrid(hn::Load(d, w + row * kTileLanes), inverse, offset);
    const V q = hn::Sub(BiasedCode(x, n), magic);
    const V e = hn::Sub(x, q);
    ee = hn::Add(ee, hn::Mul(e, e));
    if constexpr (kRefit) {
      se = hn::Add(se, e);
      sq = hn::Add(sq, q);
      qq = hn::Add(qq, hn::Mul(q, q));
      qe = hn::Add(qe, hn::Mul(q, e));
    }
  }
  error = ee;
  if constexpr (kRefit) {
    // weight = scale (q + e) + bias, so the new pair is scale (1 + a) and
    // bias + scale b with e ~ a q + b.
    const V count = hn::Set(d, static_cast<float>(rows));
    const V per_count = hn::Set(d, 1.0f / static_cast<float>(rows));
    const V det = hn::Sub(hn::Mul(count, qq), hn::Mul(sq, sq));
    const V a = hn::Div(hn::Sub(hn::Mul(count, qe), hn::Mul(se, sq)),
                        hn::Max(det, hn::Set(d, 1.0f)));
    next_scale = StoredScale<kBits>(hn::Add(scale, hn::Mul(scale, a)), dtype);
    // The bias is refitted to the scale as cast.
    const V cast_a = hn::Mul(hn::Sub(next_scale, scale), inverse);
    const V b = hn::Mul(hn::Sub(se, hn::Mul(cast_a, sq)), per_count);
    next_bias = RoundFinite(hn::Add(bias, hn::Mul(scale, b)), dtype);
  }
}

// Keeps (scale, bias) where its error is smaller than the best's.
HWY_INLINE void KeepBetter(V scale, V bias, V error, V per_unit, V& best_scale,
                           V& best_bias, V& best_error, V& best_size) {
  const V ratio = hn::Mul(scale, per_unit);
  const V size = hn::Mul(hn::Mul(ratio, ratio), error);
  const auto better = hn::Lt(size, best_size);
  best_scale = hn::IfThenElse(better, scale, best_scale);
  best_bias = hn::IfThenElse(better, bias, best_bias);
  best_error = hn::IfThenElse(better, error, best_error);
  best_size = hn::IfThenElse(better, size, best_size);
}

template <int kBits>
HWY_INLINE void SearchLanes(const float* HWY_RESTRICT w, size_t rows,
                            DType dtype, GroupTile& groups, size_t slot) {
  using Starts = SearchStarts<kBits>;
  const LaneTag d;
  constexpr float kMaxCode = static_cast<float>((1 << kBits) - 1);
  V low = hn::Zero(d), high = low;
  GroupRange(w, rows, low, high);
  V scale = hn::Zero(d), bias = scale;
  MinMaxPair(low, high, kMaxCode, scale, bias);
  // A scale this small only occurs in constant groups; the floor keeps codes
  // finite.
  const V floor =
      hn::Mul(hn::Max(hn::Abs(low), hn::Abs(high)), hn::Set(d, 0x1p-22f));
  scale = hn::CopySign(hn::Max(hn::Abs(scale), floor), scale);
  scale = StoredScale<kBits>(scale, dtype);
  bias = RoundFinite(bias, dtype);
  const V per_unit = hn::Div(hn::Set(d, 1.0f), scale);

  V error = hn::Zero(d), next_scale = error, next_bias = error;
  TryPair<kBits, true>(w, rows, dtype, scale, bias, error, next_scale,
                       next_bias);
  V best_scale = scale, best_bias = bias, best_error = error, best_size = error;
  TryPair<kBits, false>(w, rows, dtype, next_scale, next_bias, error, scale,
                        bias);
  KeepBetter(next_scale, next_bias, error, per_unit, best_scale, best_bias,
             best_error, best_size);
  for (const float factor : Starts::kShrink) {
    const V shrink = hn::Set(d, factor);
    const V bottom = hn::Mul(low, shrink), top = hn::Mul(high, shrink);
    const V per_code = hn::Set(d, 1.0f / kMaxCode);
    const V step = hn::Sub(hn::Mul(top, per_code), hn::Mul(bottom, per_code));
    scale = StoredScale<kBits>(hn::Max(step, floor), dtype);
    bias = RoundFinite(bottom, dtype);
    for (int refit = 0; refit < Starts::kRefits; ++refit) {
      TryPair<kBits, true>(w, rows, dtype, scale, bias, error, next_scale,
                           next_bias);
      KeepBetter(scale, bias, error, per_unit, best_scale, best_bias,
                 best_error, best_size);
      scale = next_scale;
      bias = next_bias;
    }
    TryPair<kBits, false>(w, rows, dtype, scale, bias, error, next_scale,
                          next_bias);
    KeepBetter(scale, bias, error, per_unit, best_scale, best_bias, best_error,
               best_size);
  }
  hn::Store(best_scale, d, groups.scales + slot);
  hn::Store(best_bias, d, groups.biases + slot);
  hn::Store(best_scale, d, groups.units + slot);
  hn::Store(best_error, d, groups.errors + slot);
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif
