#include "ram/quantization/packed_int_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/quantization/packed_int_kernels.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "ram/quantization/affine_search-inl.h"
#include "ram/quantization/packed_int_starts.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

// The largest |w| of weights that were rounded to the stored type, which keeps
// their order.
HWY_INLINE V LargestMagnitude(V low, V high, DType dtype) {
  return RoundFinite(hn::Max(hn::Abs(low), hn::Abs(high)), dtype);
}

// compressed_tensors, calculate_qparams(): all in the stored type.
HWY_INLINE V IntMinMaxScale(V largest, float max_code, DType dtype) {
  const V half_range = hn::Set(LaneTag(), max_code * 0.5f);
  return RoundStored(hn::Div(largest, half_range), dtype);
}

// quantize(): the quotient is rounded to the stored type, too.
HWY_INLINE void IntMinMaxLanes(const float* HWY_RESTRICT w, size_t rows,
                               int bits, DType dtype,
                               uint32_t* HWY_RESTRICT codes, GroupTile& groups,
                               size_t slot) {
  const LaneTag d;
  V low = hn::Zero(d), high = hn::Zero(d);
  GroupRange(w, rows, low, high);
  const V largest = LargestMagnitude(low, high, dtype);
  const float max_code = static_cast<float>((1 << bits) - 1);
  V scale = IntMinMaxScale(largest, max_code, dtype);
  // In place of a scale that vanishes: the type's epsilon.
  const V epsilon = hn::Set(d, dtype == DType::kF16 ? 0x1p-10f : 0x1p-7f);
  scale = hn::IfThenElse(hn::Eq(scale, hn::Zero(d)), epsilon, scale);
  const V zero_code = hn::Set(d, static_cast<float>(1 << (bits - 1)));
  const V last = hn::Sub(zero_code, hn::Set(d, 1.0f));
  const V size =
      hn::Max(hn::Max(hn::Abs(low), hn::Abs(high)), hn::Set(d, 0x1p-100f));
  const V per_size = hn::Div(hn::Set(d, 1.0f), size);
  const V magic = hn::Set(d, kRoundingMagic);
  V error = hn::Zero(d);
#pragma GCC unroll 4
  for (size_t row = 0; row < rows; ++row) {
    const V weight = hn::Load(d, w + row * kTileLanes);
    const V x = RoundFinite(hn::Div(RoundFinite(weight, dtype), scale), dtype);
    const V kept = hn::Min(hn::Max(x, hn::Neg(zero_code)), last);
    // Exact, and as even as before: zero_code is.
    const V biased = hn::Add(hn::Add(kept, zero_code), magic);
    hn::Store(CodeBits(biased), DU(), codes + row * kTileLanes);
    const V code = hn::Sub(hn::Sub(biased, magic), zero_code);
    const V part = hn::Mul(hn::Sub(weight, hn::Mul(scale, code)), per_size);
    error = hn::Add(error, hn::Mul(part, part));
  }
  hn::Store(scale, d, groups.scales + slot);
  hn::Store(hn::Neg(hn::Mul(scale, zero_code)), d, groups.biases + slot);
  hn::Store(size, d, groups.units + slot);
  hn::Store(error, d, groups.errors + slot);
}

void ChooseIntMinMaxKernel(const Scheme& scheme, DType dtype,
                           const WeightTile& tile, GroupTile& groups,
                           CodeTile& codes) {
  const size_t rows = static_cast<size_t>(scheme.group_size);
  for (size_t k = 0; k < kTileRows / rows; ++k) {
    for (size_t lane = 0; lane < kTileLanes; lane += hn::Lanes(LaneTag())) {
      const size_t first = k * rows * kTileLanes + lane;
      IntMinMaxLanes(tile.weights + first, rows, scheme.bits, dtype,
                     codes.codes + first, groups, k * kTileLanes + lane);
    }
  }
}

// compressed-tensors' scale, then the starts.
HWY_INLINE void MakeIntStarts(const IntSearchPlan& plan,
                              const SearchGroup& group, V low, V high,
                              float zero_code, Pairs& pairs) {
  const LaneTag d;
  const V n = hn::Set(d, group.max_code);
  const V zero = hn::Set(d, zero_code);
  const auto store = [&](V scale, size_t at) {
    const V stored = StoredScale(scale, n, group.dtype);
    hn::Store(stored, d, pairs.scales + at);
    hn::Store(hn::Neg(hn::Mul(stored, zero)), d, pairs.biases + at);
  };
  store(IntMinMaxScale(LargestMagnitude(low, high, group.dtype), group.max_code,
                       group.dtype),
        0);
  const V none = hn::Zero(d);
  const V below = hn::Max(hn::Neg(low), none);
  const V above = hn::Max(high, none);
  const V per_lower = hn::Set(d, 1.0f / zero_code);
  const V per_upper = hn::Set(d, 1.0f / (zero_code - 1));
  const V positive =
      hn::Max(hn::Mul(below, per_lower), hn::Mul(above, per_upper));
  const V negative =
      hn::Max(hn::Mul(above, per_lower), hn::Mul(below, per_upper));
  size_t at = kTileLanes;
  for (const float factor : plan.starts) {
    store(hn::Mul(hn::Set(d, factor), factor > 0 ? positive : negative), at);
    at += kTileLanes;
  }
}

template <bool kWeighed>
HWY_INLINE void SearchIntGroups(const Scheme& scheme, DType dtype,
                                const WeightTile& tile,
                                const SearchTile& search, GroupTile& groups) {
  const LaneTag d;
  const IntSearchPlan& plan = IntSearchPlanFor(scheme.bits);
  const float max_code = static_cast<float>((1 << scheme.bits) - 1);
  const float zero_code = static_cast<float>(1 << (scheme.bits - 1));
  const size_t rows = static_cast<size_t>(scheme.group_size);
  Pairs pairs;
  for (size_t k = 0; k < kTileRows / rows; ++k) {
    for (size_t lane = 0; lane < kTileLanes; lane += hn::Lanes(d)) {
      const size_t first = k * rows * kTileLanes + lane;
      const size_t slot = k * kTileLanes + lane;
      const SearchGroup group = {tile.weights + first,
                                 search.importance + first, rows, max_code,
                                 dtype};
      MakeIntStarts(plan, group, hn::Load(d, search.lows + slot),
                    hn::Load(d, search.highs + slot), zero_code, pairs);
      SearchFrom<kWeighed, Refit::kScale>(pairs, plan.refits, group, search,
                                          groups, slot, zero_code);
    }
  }
}

void SearchIntScalesKernel(const Scheme& scheme, DType dtype,
                           const WeightTile& tile, const SearchTile& search,
                           GroupTile& groups) {
  if (WeighsErrors(scheme.bits)) {
    SearchIntGroups<true>(scheme, dtype, tile, search, groups);
  } else {
    SearchIntGroups<false>(scheme, dtype, tile, search, groups);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {

HWY_EXPORT(ChooseIntMinMaxKernel);
HWY_EXPORT(SearchIntScalesKernel);

void ChooseIntMinMax(const Scheme& scheme, DType scale_dtype,
                     const WeightTile& tile, GroupTile& groups,
                     CodeTile& codes) {
  HWY_DYNAMIC_DISPATCH(ChooseIntMinMaxKernel)
  (scheme, scale_dtype, tile, groups, codes);
}
void SearchIntScales(const Scheme& scheme, DType scale_dtype,
                     const WeightTile& tile, const SearchTile& search,
                     GroupTile& groups) {
  HWY_DYNAMIC_DISPATCH(SearchIntScalesKernel)
  (scheme, scale_dtype, tile, search, groups);
}

}  // namespace ram
#endif  // HWY_ONCE
