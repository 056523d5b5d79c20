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
HWY_INLINE V StoredScale(V scale, V max_code, DType dtype) {
  const LaneTag d;
  const bool half = dtype == DType::kF16;
  const V smallest = hn::Set(d, half ? 0x1p-24f : 0x1p-100f);
  // 0x1.F8p127 leaves room for rounding up.
  const V largest =
      half ? hn::Set(d, 65504.0f) : hn::Div(hn::Set(d, 0x1.F8p127f), max_code);
  const V magnitude = hn::Min(hn::Max(hn::Abs(scale), smallest), largest);
  return RoundStored(hn::CopySign(magnitude, scale), dtype);
}

// Range and importance of one group a lane.
HWY_INLINE void PrepareLanes(const float* HWY_RESTRICT w, size_t rows,
                             float* HWY_RESTRICT importance, SearchTile& search,
                             size_t slot) {
  const LaneTag d;
  V low = hn::Zero(d), high = hn::Zero(d);
  GroupRange(w, rows, low, high);
  // Weights over `size` do not overflow when squared.
  const V size =
      hn::Max(hn::Max(hn::Abs(low), hn::Abs(high)), hn::Set(d, 0x1p-100f));
  const V per_size = hn::Div(hn::Set(d, 1.0f), size);
  V squares = hn::Zero(d);
#pragma GCC unroll 4
  for (size_t row = 0; row < rows; ++row) {
    const V part = hn::Mul(hn::Load(d, w + row * kTileLanes), per_size);
    squares = hn::Add(squares, hn::Mul(part, part));
  }
  const V one = hn::Set(d, 1.0f);
  const V per_count = hn::Set(d, 1.0f / static_cast<float>(rows));
  const V rms =
      hn::Max(hn::Sqrt(hn::Mul(squares, per_count)), hn::Set(d, 0x1p-20f));
  const V per_rms = hn::Div(per_size, rms);
  V sum = hn::Zero(d);
#pragma GCC unroll 4
  for (size_t row = 0; row < rows; ++row) {
    const V weight = hn::Load(d, w + row * kTileLanes);
    const V u = hn::Add(hn::Abs(hn::Mul(weight, per_rms)), one);
    sum = hn::Add(sum, u);
    hn::Store(u, d, importance + row * kTileLanes);
  }
  hn::Store(low, d, search.lows + slot);
  hn::Store(high, d, search.highs + slot);
  hn::Store(sum, d, search.importance_sums + slot);
}

// One group a lane, and what the search needs to know of it.
struct SearchGroup {
  const float* HWY_RESTRICT weights;     // [rows][kTileLanes]
  const float* HWY_RESTRICT importance;  // the same
  size_t rows;
  float max_code;
  DType dtype;
};

// Pairs in memory, [pair][lane], because vectors of unknown size cannot be
// array elements.
struct Pairs {
  HWY_ALIGN float scales[(1 + kSearchStarts) * kTileLanes];
  HWY_ALIGN float biases[(1 + kSearchStarts) * kTileLanes];
};

template <bool kWeighed>
HWY_INLINE void AddError(V weight, V importance, V max_code, V inverse,
                         V offset, V& sum) {
  const LaneTag d;
  const V x = PlaceOnGrid(weight, inverse, offset);
  const V e =
      hn::Sub(x, hn::Sub(BiasedCode(x, max_code), hn::Set(d, kRoundingMagic)));
  V part = hn::Mul(e, e);
  if constexpr (kWeighed) part = hn::Mul(part, importance);
  sum = hn::Add(sum, part);
}

// Weighed squared errors of three pairs, each in units of its scale^2.
template <bool kWeighed>
HWY_INLINE void TryThree(const SearchGroup& group, const Pairs& pairs,
                         size_t at, V& error0, V& error1, V& error2) {
  const LaneTag d;
  V inverse0 = hn::Zero(d), offset0 = hn::Zero(d);
  V inverse1 = inverse0, offset1 = inverse0;
  V inverse2 = inverse0, offset2 = inverse0;
  CodeMap(hn::Load(d, pairs.scales + at), hn::Load(d, pairs.biases + at),
          inverse0, offset0);
  CodeMap(hn::Load(d, pairs.scales + at + kTileLanes),
          hn::Load(d, pairs.biases + at + kTileLanes), inverse1, offset1);
  CodeMap(hn::Load(d, pairs.scales + at + 2 * kTileLanes),
          hn::Load(d, pairs.biases + at + 2 * kTileLanes), inverse2, offset2);
  const V n = hn::Set(d, group.max_code);
  error0 = error1 = error2 = hn::Zero(d);
#pragma GCC unroll 2
  for (size_t row = 0; row < group.rows; ++row) {
    const V weight = hn::Load(d, group.weights + row * kTileLanes);
    const V u = hn::Load(d, group.importance + row * kTileLanes);
    AddError<kWeighed>(weight, u, n, inverse0, offset0, error0);
    AddError<kWeighed>(weight, u, n, inverse1, offset1, error1);
    AddError<kWeighed>(weight, u, n, inverse2, offset2, error2);
  }
}

// What is fitted again to the codes of a pair: nothing, scale and bias, or the
// scale of codes that are signed, -bias / scale being the code of zero.
enum class Refit { kNone, kPair, kScale };

// Both squared errors of a pair in units of scale^2, and the weighed
// least-squares pair for its codes, cast. `zero_code` is that of zero where
// the scale alone is fitted.
template <bool kWeighed, Refit kRefit>
HWY_INLINE void TryPair(const SearchGroup& group, V importance_sum, V scale,
                        V bias, V& weighed, V& plain, V& next_scale,
                        V& next_bias, float zero_code = 0) {
  const LaneTag d;
  const V n = hn::Set(d, group.max_code);
  const V magic = hn::Set(d, kRoundingMagic);
  const V zero = hn::Set(d, zero_code);
  V inverse = hn::Zero(d), offset = hn::Zero(d);
  CodeMap(scale, bias, inverse, offset);
  // Weighed sums of e, q, q^2, q e; q the code, e the error in codes.
  V se = hn::Zero(d), sq = se, qq = se, qe = se;
  weighed = plain = se;
#pragma GCC unroll 2
  for (size_t row = 0; row < group.rows; ++row) {
    const V weight = hn::Load(d, group.weights + row * kTileLanes);
    const V u = hn::Load(d, group.importance + row * kTileLanes);
    const V x = PlaceOnGrid(weight, inverse, offset);
    const V q = hn::Sub(BiasedCode(x, n), magic);
    const V e = hn::Sub(x, q);
    const V ee = hn::Mul(e, e);
    plain = hn::Add(plain, ee);
    if constexpr (kWeighed) weighed = hn::Add(weighed, hn::Mul(ee, u));
    if constexpr (kRefit == Refit::kPair) {
      const V ue = kWeighed ? hn::Mul(u, e) : e;
      const V uq = kWeighed ? hn::Mul(u, q) : q;
      se = hn::Add(se, ue);
      sq = hn::Add(sq, uq);
      qq = hn::Add(qq, hn::Mul(uq, q));
      qe = hn::Add(qe, hn::Mul(uq, e));
    } else if constexpr (kRefit == Refit::kScale) {
      const V c = hn::Sub(q, zero);
      const V uc = kWeighed ? hn::Mul(u, c) : c;
      qq = hn::Add(qq, hn::Mul(uc, c));
      qe = hn::Add(qe, hn::Mul(uc, e));
    }
  }
  if constexpr (!kWeighed) weighed = plain;
  if constexpr (kRefit == Refit::kScale) {
    // weight = scale (c + e), so the new scale is scale (1 + a), e ~ a c.
    const V a = hn::Div(qe, hn::Max(qq, hn::Set(d, 1.0f)));
    next_scale = StoredScale(hn::Add(scale, hn::Mul(scale, a)), n, group.dtype);
    next_bias = hn::Neg(hn::Mul(next_scale, zero));
  } else if constexpr (kRefit == Refit::kPair) {
    // weight = scale (q + e) + bias, so the new pair is scale (1 + a) and
    // bias + scale b with e ~ a q + b.
    const V det = hn::Sub(hn::Mul(importance_sum, qq), hn::Mul(sq, sq));
    const V a = hn::Div(hn::Sub(hn::Mul(importance_sum, qe), hn::Mul(se, sq)),
                        hn::Max(det, hn::Set(d, 1.0f)));
    next_scale = StoredScale(hn::Add(scale, hn::Mul(scale, a)), n, group.dtype);
    // The bias is refitted to the scale as cast.
    const V cast_a = hn::Mul(hn::Sub(next_scale, scale), inverse);
    const V b = hn::Div(hn::Sub(se, hn::Mul(cast_a, sq)), importance_sum);
    next_bias = RoundFinite(hn::Add(bias, hn::Mul(scale, b)), group.dtype);
  }
}

// MLX's pair, then the starts.
HWY_INLINE void MakeStarts(const SearchPlan& plan, const SearchGroup& group,
                           V low, V high, Pairs& pairs) {
  const LaneTag d;
  const DType dtype = group.dtype;
  const V n = hn::Set(d, group.max_code);
  V scale = hn::Zero(d), bias = scale;
  MinMaxPair(low, high, group.max_code, scale, bias);
  // A scale this small only occurs in constant groups; the floor keeps codes
  // finite.
  const V floor =
      hn::Mul(hn::Max(hn::Abs(low), hn::Abs(high)), hn::Set(d, 0x1p-22f));
  scale = hn::CopySign(hn::Max(hn::Abs(scale), floor), scale);
  hn::Store(StoredScale(scale, n, dtype), d, pairs.scales);
  hn::Store(RoundFinite(bias, dtype), d, pairs.biases);
  const V per_code = hn::Set(d, 1.0f / group.max_code);
  size_t at = kTileLanes;
  for (const SearchStart& start : plan.starts) {
    const V bottom = hn::Mul(low, hn::Set(d, start.low));
    const V top = hn::Mul(high, hn::Set(d, start.high));
    const V step = hn::Sub(hn::Mul(top, per_code), hn::Mul(bottom, per_code));
    hn::Store(StoredScale(hn::Max(step, floor), n, dtype), d,
              pairs.scales + at);
    hn::Store(RoundFinite(bottom, dtype), d, pairs.biases + at);
    at += kTileLanes;
  }
}

// Keeps a pair where its error, in units of its scale^2, is smaller than the
// best's; sizes are in units of MLX's scale^2.
HWY_INLINE void KeepBetter(V scale, V bias, V plain, V error, V per_unit,
                           V& best_scale, V& best_bias, V& best_plain,
                           V& best_size) {
  const V ratio = hn::Mul(scale, per_unit);
  const V size = hn::Mul(hn::Mul(ratio, ratio), error);
  const auto better = hn::Lt(size, best_size);
  best_scale = hn::IfThenElse(better, scale, best_scale);
  best_bias = hn::IfThenElse(better, bias, best_bias);
  best_plain = hn::IfThenElse(better, plain, best_plain);
  best_size = hn::IfThenElse(better, size, best_size);
}
HWY_INLINE void KeepBetterStart(const Pairs& pairs, size_t at, V error,
                                V per_unit, V& best_scale, V& best_bias,
                                V& best_size) {
  const LaneTag d;
  V unused = hn::Zero(d);
  KeepBetter(hn::Load(d, pairs.scales + at), hn::Load(d, pairs.biases + at),
             error, error, per_unit, best_scale, best_bias, unused, best_size);
}

template <bool kWeighed>
HWY_INLINE void TryStarts(const SearchGroup& group, const Pairs& pairs,
                          V per_unit, V& best_scale, V& best_bias,
                          V& best_size) {
  const LaneTag d;
  constexpr size_t kCount = 1 + kSearchStarts;
  static_assert(kCount % 3 == 0);
  best_scale = hn::Load(d, pairs.scales);
  best_bias = hn::Load(d, pairs.biases);
  best_size = hn::Inf(d);
  V error0 = hn::Zero(d), error1 = error0, error2 = error0;
  for (size_t pair = 0; pair < kCount; pair += 3) {
    const size_t at = pair * kTileLanes;
    TryThree<kWeighed>(group, pairs, at, error0, error1, error2);
    KeepBetterStart(pairs, at, error0, per_unit, best_scale, best_bias,
                    best_size);
    KeepBetterStart(pairs, at + kTileLanes, error1, per_unit, best_scale,
                    best_bias, best_size);
    KeepBetterStart(pairs, at + 2 * kTileLanes, error2, per_unit, best_scale,
                    best_bias, best_size);
  }
}

// The best of `pairs`, fitted again `refits` times.
template <bool kWeighed, Refit kRefit>
HWY_INLINE void SearchFrom(const Pairs& pairs, int refits,
                           const SearchGroup& group, const SearchTile& search,
                           GroupTile& groups, size_t slot,
                           float zero_code = 0) {
  const LaneTag d;
  const V per_unit = hn::Div(hn::Set(d, 1.0f), hn::Load(d, pairs.scales));
  V best_scale = hn::Zero(d), best_bias = best_scale, best_size = best_scale;
  TryStarts<kWeighed>(group, pairs, per_unit, best_scale, best_bias, best_size);

  const V sum = kWeighed ? hn::Load(d, search.importance_sums + slot)
                         : hn::Set(d, static_cast<float>(group.rows));
  V scale = best_scale, bias = best_bias, best_plain = hn::Zero(d);
  V weighed = hn::Zero(d), plain = weighed;
  V next_scale = weighed, next_bias = weighed;
  for (int refit = 0; refit < refits; ++refit) {
    TryPair<kWeighed, kRefit>(group, sum, scale, bias, weighed, plain,
                              next_scale, next_bias, zero_code);
    if (refit == 0) {
      best_plain = plain;
    } else {
      KeepBetter(scale, bias, plain, weighed, per_unit, best_scale, best_bias,
                 best_plain, best_size);
    }
    scale = next_scale;
    bias = next_bias;
  }
  TryPair<kWeighed, Refit::kNone>(group, sum, scale, bias, weighed, plain,
                                  next_scale, next_bias);
  KeepBetter(scale, bias, plain, weighed, per_unit, best_scale, best_bias,
             best_plain, best_size);
  hn::Store(best_scale, d, groups.scales + slot);
  hn::Store(best_bias, d, groups.biases + slot);
  hn::Store(best_scale, d, groups.units + slot);
  hn::Store(best_plain, d, groups.errors + slot);
}

template <bool kWeighed>
HWY_INLINE void SearchLanes(const SearchPlan& plan, const SearchGroup& group,
                            const SearchTile& search, GroupTile& groups,
                            size_t slot) {
  const LaneTag d;
  Pairs pairs;
  MakeStarts(plan, group, hn::Load(d, search.lows + slot),
             hn::Load(d, search.highs + slot), pairs);
  SearchFrom<kWeighed, Refit::kPair>(pairs, plan.refits, group, search, groups,
                                     slot);
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif
