// The search for weight = scale * code - min, once for each SIMD target:
// blocks of one run (Q4_1, Q5_1), and blocks whose runs have small whole
// numbers for scales and mins, times d and d_min (Q2_K, Q4_K, Q5_K).
#if defined(RAM_QUANTIZATION_GGUF_ENCODE_PAIR_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef RAM_QUANTIZATION_GGUF_ENCODE_PAIR_INL_H_
#undef RAM_QUANTIZATION_GGUF_ENCODE_PAIR_INL_H_
#else
#define RAM_QUANTIZATION_GGUF_ENCODE_PAIR_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>

#include "ram/quantization/gguf_encode_scale-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

// Of a scale and a min, with the nearest codes. The error of another pair
// (scale + s, min - b) for these codes is
//   error - 2 s qe - 2 b se + s^2 qq + 2 s b sq + b^2 su,
// su being the sum of importance.
struct PairFit {
  V error, qe, se, qq, sq;
};

template <bool kWeighed>
HWY_INLINE PairFit FitPair(const LinearGrid& grid, const Run& run, V scale,
                           V min) {
  const LaneTag d;
  const V inverse = InverseScale(scale);
  V ee = hn::Zero(d), qe = ee, se = ee, qq = ee, sq = ee;
  for (size_t row = 0; row < run.rows; ++row) {
    const V x = hn::Add(hn::Load(d, run.weights + row * kBlockLanes), min);
    const V q = grid.Nearest(hn::Mul(x, inverse));
    const V e = hn::Sub(x, hn::Mul(scale, q));
    V ue = e, uq = q;
    if constexpr (kWeighed) {
      const V u = hn::Load(d, run.importance + row * kBlockLanes);
      ue = hn::Mul(u, e);
      uq = hn::Mul(u, q);
    }
    ee = hn::Add(ee, hn::Mul(ue, e));
    qe = hn::Add(qe, hn::Mul(ue, q));
    se = hn::Add(se, ue);
    qq = hn::Add(qq, hn::Mul(uq, q));
    sq = hn::Add(sq, uq);
  }
  return {ee, qe, se, qq, sq};
}

template <bool kWeighed>
HWY_INLINE V PairError(const LinearGrid& grid, const Run& run, V scale, V min) {
  const LaneTag d;
  const V inverse = InverseScale(scale);
  V ee = hn::Zero(d);
  for (size_t row = 0; row < run.rows; ++row) {
    const V x = hn::Add(hn::Load(d, run.weights + row * kBlockLanes), min);
    const V q = grid.Nearest(hn::Mul(x, inverse));
    const V e = hn::Sub(x, hn::Mul(scale, q));
    V ue = e;
    if constexpr (kWeighed) {
      ue = hn::Mul(hn::Load(d, run.importance + row * kBlockLanes), e);
    }
    ee = hn::Add(ee, hn::Mul(ue, e));
  }
  return ee;
}

// What to add to the scale and take off the min, by least squares, and what
// the error falls by.
HWY_INLINE void SolvePair(const PairFit& fit, V su, V& scale_change,
                          V& min_change, V& gain) {
  const LaneTag d;
  const V whole = hn::Mul(su, fit.qq);
  const V det = hn::Sub(whole, hn::Mul(fit.sq, fit.sq));
  // Where all codes are equal the determinant is noise.
  const V floor = hn::Add(hn::Mul(whole, hn::Set(d, 0x1p-18f)),
                          hn::Set(d, kLeastImportance));
  const V top = hn::Sub(hn::Mul(su, fit.qe), hn::Mul(fit.sq, fit.se));
  scale_change =
      hn::IfThenElseZero(hn::Gt(det, floor), hn::Div(top, hn::Max(det, floor)));
  const V per_sum =
      hn::Div(hn::Set(d, 1.0f), hn::Max(su, hn::Set(d, kLeastImportance)));
  min_change = hn::Mul(hn::Sub(fit.se, hn::Mul(fit.sq, scale_change)), per_sum);
  gain = hn::Add(hn::Mul(scale_change, fit.qe), hn::Mul(min_change, fit.se));
}

// Puts the ends of a run's range on given codes.
HWY_INLINE void StartPair(const BlockPlan& plan, V low, V high,
                          const PairEnds& ends, V& scale, V& min) {
  const LaneTag d;
  const float codes =
      static_cast<float>(plan.highest) + ends.above - ends.below;
  const V floor =
      hn::Mul(hn::Max(hn::Abs(low), hn::Abs(high)), hn::Set(d, 0x1p-22f));
  scale = hn::Max(hn::Mul(hn::Sub(high, low), hn::Set(d, 1.0f / codes)), floor);
  min = hn::Sub(hn::Mul(scale, hn::Set(d, ends.below)), low);
}

// The best of the starts, each after one refit. With `bounded` the min is not
// negative.
template <bool kWeighed>
HWY_INLINE void BestPairStart(const BlockPlan& plan, const LinearGrid& grid,
                              const Run& run, bool bounded, V low, V high, V su,
                              const PairStarts& starts, V& best_scale,
                              V& best_min) {
  const LaneTag d;
  best_scale = best_min = hn::Zero(d);
  V best_error = hn::Inf(d);
  const V bottom = bounded ? hn::Min(low, hn::Zero(d)) : low;
  for (size_t i = 0; i < starts.count; ++i) {
    V scale = best_error, min = best_error;
    StartPair(plan, bottom, high, starts.ends[i], scale, min);
    if (bounded) min = hn::Max(min, hn::Zero(d));
    const PairFit fit = FitPair<kWeighed>(grid, run, scale, min);
    V scale_change = scale, min_change = scale, gain = scale;
    SolvePair(fit, su, scale_change, min_change, gain);
    scale = hn::Add(scale, scale_change);
    min = hn::Sub(min, min_change);
    if (bounded) min = hn::Max(min, hn::Zero(d));
    const V error = hn::Sub(fit.error, gain);
    const auto better = hn::Lt(error, best_error);
    best_scale = hn::IfThenElse(better, scale, best_scale);
    best_min = hn::IfThenElse(better, min, best_min);
    best_error = hn::IfThenElse(better, error, best_error);
  }
}

// Blocks of one run: every pair is judged as it is stored.
template <bool kWeighed>
HWY_INLINE void SearchStoredPair(const BlockPlan& plan,
                                 const PairStarts& starts, BlockTile& tile) {
  const LaneTag d;
  const LinearGrid grid(plan);
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const Run run = RunAt(tile, plan, lane);
    const V size = LaneLoad(tile.size, lane);
    const V per_size = LaneLoad(tile.per_size, lane);
    const V low = LaneLoad(tile.low, lane), high = LaneLoad(tile.high, lane);
    const V su = LaneLoad(tile.importance_sum, lane);
    // What rounding to nearest would store.
    V scale = low, min = low;
    StartPair(plan, low, high, {0, 0}, scale, min);
    V best_scale = StoredHalf(scale, size, per_size);
    V best_min = StoredHalf(min, size, per_size);
    V best_error = PairError<kWeighed>(grid, run, best_scale, best_min);
    BestPairStart<kWeighed>(plan, grid, run, false, low, high, su, starts,
                            scale, min);
    for (int i = 0; i <= starts.refits; ++i) {
      scale = StoredHalf(scale, size, per_size);
      min = StoredHalf(min, size, per_size);
      const PairFit fit = FitPair<kWeighed>(grid, run, scale, min);
      const auto better = hn::Lt(fit.error, best_error);
      best_scale = hn::IfThenElse(better, scale, best_scale);
      best_min = hn::IfThenElse(better, min, best_min);
      best_error = hn::IfThenElse(better, fit.error, best_error);
      V scale_change = scale, min_change = scale, gain = scale;
      SolvePair(fit, su, scale_change, min_change, gain);
      // The min is fitted to the scale as it is stored.
      const V next = StoredHalf(hn::Add(scale, scale_change), size, per_size);
      const V change = hn::Sub(next, scale);
      min_change = hn::Div(hn::Sub(fit.se, hn::Mul(fit.sq, change)),
                           hn::Max(su, hn::Set(d, kLeastImportance)));
      scale = next;
      min = hn::Sub(min, min_change);
    }
    LaneStore(best_scale, tile.scale, lane);
    LaneStore(best_min, tile.min, lane);
    LaneStore(hn::Mul(best_scale, size), tile.d, lane);
    LaneStore(hn::Mul(best_min, size), tile.d_min, lane);
  }
}

// For each run of a tile the pair that would be best by itself for its codes,
// and what leaving it costs: with the best min for a scale,
// curvature * (scale off)^2, and su * (min off)^2. That min grows by `slope`
// times what the scale grows by.
struct FreePairs {
  LaneValues scale, min;
  LaneValues curvature, slope;
};

HWY_INLINE void StoreFreePair(const PairFit& fit, V su, V scale, V min,
                              FreePairs& free, size_t lane) {
  const LaneTag d;
  V scale_change = scale, min_change = scale, gain = scale;
  SolvePair(fit, su, scale_change, min_change, gain);
  const V slope = hn::Div(fit.sq, hn::Max(su, hn::Set(d, kLeastImportance)));
  LaneStore(hn::Add(scale, scale_change), free.scale, lane);
  LaneStore(hn::Sub(min, min_change), free.min, lane);
  LaneStore(hn::Max(hn::Sub(fit.qq, hn::Mul(slope, fit.sq)), hn::Zero(d)),
            free.curvature, lane);
  LaneStore(slope, free.slope, lane);
}

struct PairStep {
  float scale, min;
};

// d and d_min for one block from the free pairs of its runs: a candidate for
// d a lane, one after the other for d_min.
HWY_INLINE PairStep ChoosePairStep(const BlockPlan& plan, const BlockTile& tile,
                                   const FreePairs& free, size_t first,
                                   const PairStarts& starts) {
  const LaneTag d;
  float top = 0, top_min = 0;
  for (size_t i = first; i < first + plan.runs; ++i) {
    top = free.scale.at[i] > top ? free.scale.at[i] : top;
    top_min = free.min.at[i] > top_min ? free.min.at[i] : top_min;
  }
  const V size = hn::Set(d, tile.size.at[first]);
  const V per_size = hn::Set(d, tile.per_size.at[first]);
  const V zero = hn::Zero(d);
  const V most = hn::Set(d, static_cast<float>(plan.highest_scale));
  PairStep best = {0, 0};
  float best_cost = HUGE_VALF;
  LaneValues steps, costs;
  for (size_t k = 0; k < starts.min_divisors; ++k) {
    const V min_step =
        StoredHalf(hn::Set(d, top_min / starts.divisors.at[k]), size, per_size);
    const V min_inverse = InverseScale(min_step);
    for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
      const V step = StoredHalf(
          hn::Div(hn::Set(d, top), hn::Load(d, starts.divisors.at + lane)),
          size, per_size);
      const V inverse = InverseScale(step);
      V cost = zero;
      for (size_t i = first; i < first + plan.runs; ++i) {
        const V scale = hn::Set(d, free.scale.at[i]);
        const V whole = NearestIn(hn::Mul(scale, inverse), zero, most);
        const V off = hn::Sub(hn::Mul(step, whole), scale);
        const V min = hn::Add(hn::Set(d, free.min.at[i]),
                              hn::Mul(hn::Set(d, free.slope.at[i]), off));
        const V whole_min = NearestIn(hn::Mul(min, min_inverse), zero, most);
        const V min_off = hn::Sub(hn::Mul(min_step, whole_min), min);
        cost = hn::Add(
            cost, hn::Mul(hn::Mul(off, off), hn::Set(d, free.curvature.at[i])));
        cost = hn::Add(cost, hn::Mul(hn::Mul(min_off, min_off),
                                     hn::Set(d, tile.importance_sum.at[i])));
      }
      LaneStore(step, steps, lane);
      LaneStore(cost, costs, lane);
    }
    for (size_t i = 0; i < kBlockLanes; ++i) {
      if (!(costs.at[i] < best_cost)) continue;
      best_cost = costs.at[i];
      best = {steps.at[i], hn::GetLane(min_step)};
    }
  }
  return best;
}

// d and d_min of every block of a tile, over size; then the whole numbers of
// each run, and the error of its block.
struct WholePairs {
  LaneValues step, min_step;
  LaneValues scale, min;
  LaneValues error;
};

// d and d_min of a block by least squares, for given whole numbers.
HWY_INLINE PairStep RefitPairStep(const BlockPlan& plan, const BlockTile& tile,
                                  const FreePairs& free,
                                  const WholePairs& whole, size_t first) {
  // Minimises the sum of curvature * (scale off)^2 +
  // su * (min off - slope * scale off)^2.
  float aa = 0, ab = 0, bb = 0, ay = 0, by = 0;
  for (size_t i = first; i < first + plan.runs; ++i) {
    const float c = free.curvature.at[i], g = free.slope.at[i];
    const float u = tile.importance_sum.at[i];
    const float s = free.scale.at[i], m = free.min.at[i];
    const float l = whole.scale.at[i], k = whole.min.at[i];
    const float base = m - g * s;  // min off = d_min k - base - g d l
    aa += (c + u * g * g) * l * l;
    ab -= u * g * l * k;
    bb += u * k * k;
    ay += c * l * s - u * g * l * base;
    by += u * k * base;
  }
  const float det = aa * bb - ab * ab;
  if (det > 0x1p-16f * aa * bb) {
    return {(ay * bb - by * ab) / det, (by * aa - ay * ab) / det};
  }
  if (bb == 0 && aa > kLeastImportance)
    return {ay / aa, whole.min_step.at[first]};
  return {whole.step.at[first], whole.min_step.at[first]};
}

// For given d and d_min: the best whole numbers of each run near its free
// pair, among the first `neighbours` of kWholeSteps.
template <bool kWeighed>
HWY_INLINE void FitWholePairs(const BlockPlan& plan, const BlockTile& tile,
                              const FreePairs& free, size_t neighbours,
                              WholePairs& whole) {
  const LaneTag d;
  const LinearGrid grid(plan);
  const V zero = hn::Zero(d);
  const V most = hn::Set(d, static_cast<float>(plan.highest_scale));
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const Run run = RunAt(tile, plan, lane);
    const V step = LaneLoad(whole.step, lane);
    const V min_step = LaneLoad(whole.min_step, lane);
    const V min_inverse = InverseScale(min_step);
    const V scale = LaneLoad(free.scale, lane);
    const V min = LaneLoad(free.min, lane);
    const V slope = LaneLoad(free.slope, lane);
    const V middle = NearestIn(hn::Mul(scale, InverseScale(step)), zero, most);
    V best = zero, best_min = zero, error = hn::Inf(d);
    for (size_t i = 0; i < neighbours; ++i) {
      const WholeStep& near = kWholeSteps[i];
      const V l =
          NearestIn(hn::Add(middle, hn::Set(d, near.scale)), zero, most);
      const V off = hn::Sub(hn::Mul(step, l), scale);
      const V target = hn::Mul(hn::Add(min, hn::Mul(slope, off)), min_inverse);
      const V k = NearestIn(hn::Add(target, hn::Set(d, near.min)), zero, most);
      const V other = PairError<kWeighed>(grid, run, hn::Mul(step, l),
                                          hn::Mul(min_step, k));
      const auto better = hn::Lt(other, error);
      best = hn::IfThenElse(better, l, best);
      best_min = hn::IfThenElse(better, k, best_min);
      error = hn::IfThenElse(better, other, error);
    }
    LaneStore(best, whole.scale, lane);
    LaneStore(best_min, whole.min, lane);
    LaneStore(error, whole.error, lane);
  }
  SumOverBlocks(plan.runs, whole.error);
}

// The free pairs for the codes that the whole numbers give.
template <bool kWeighed>
HWY_INLINE void RefitFreePairs(const BlockPlan& plan, const BlockTile& tile,
                               FreePairs& free, const WholePairs& whole) {
  const LinearGrid grid(plan);
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const V scale =
        hn::Mul(LaneLoad(whole.step, lane), LaneLoad(whole.scale, lane));
    const V min =
        hn::Mul(LaneLoad(whole.min_step, lane), LaneLoad(whole.min, lane));
    const PairFit fit =
        FitPair<kWeighed>(grid, RunAt(tile, plan, lane), scale, min);
    StoreFreePair(fit, LaneLoad(tile.importance_sum, lane), scale, min, free,
                  lane);
  }
}

HWY_INLINE void KeepBetterPairs(const WholePairs& whole,
                                LaneValues& best_errors, BlockTile& tile) {
  for (size_t k = 0; k < kBlockLanes; ++k) {
    if (!(whole.error.at[k] < best_errors.at[k])) continue;
    best_errors.at[k] = whole.error.at[k];
    tile.d.at[k] = whole.step.at[k] * tile.size.at[k];
    tile.d_min.at[k] = whole.min_step.at[k] * tile.size.at[k];
    tile.scale_code.at[k] = whole.scale.at[k];
    tile.min_code.at[k] = whole.min.at[k];
    tile.scale.at[k] = whole.step.at[k] * whole.scale.at[k];
    tile.min.at[k] = whole.min_step.at[k] * whole.min.at[k];
  }
}

// Rounding to nearest: code 0 on the least weight or on zero, the highest code
// on the largest weight.
template <bool kWeighed>
HWY_INLINE void RoundWholePairs(const BlockPlan& plan, const BlockTile& tile,
                                WholePairs& whole) {
  const LaneTag d;
  FreePairs free;
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const V low = hn::Min(LaneLoad(tile.low, lane), hn::Zero(d));
    V scale = low, min = low;
    StartPair(plan, low, LaneLoad(tile.high, lane), {0, 0}, scale, min);
    LaneStore(scale, free.scale, lane);
    LaneStore(min, free.min, lane);
    LaneStore(hn::Zero(d), free.slope, lane);
  }
  const float per_most = 1.0f / static_cast<float>(plan.highest_scale);
  for (size_t first = 0; first < kBlockLanes; first += plan.runs) {
    StoreStep(plan, tile, Largest(free.scale, first, plan.runs) * per_most,
              first, whole.step);
    StoreStep(plan, tile, Largest(free.min, first, plan.runs) * per_most, first,
              whole.min_step);
  }
  FitWholePairs<kWeighed>(plan, tile, free, 1, whole);
}

// Blocks of several runs: rounding to nearest first, then the search.
template <bool kWeighed>
HWY_INLINE void SearchWholePairs(const BlockPlan& plan,
                                 const PairStarts& starts, BlockTile& tile) {
  const LinearGrid grid(plan);
  FreePairs free;
  WholePairs whole;
  LaneValues best_errors;
  for (float& error : best_errors.at) error = HUGE_VALF;
  RoundWholePairs<kWeighed>(plan, tile, whole);
  KeepBetterPairs(whole, best_errors, tile);
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const Run run = RunAt(tile, plan, lane);
    const V su = LaneLoad(tile.importance_sum, lane);
    V scale = su, min = su;
    BestPairStart<kWeighed>(plan, grid, run, true, LaneLoad(tile.low, lane),
                            LaneLoad(tile.high, lane), su, starts, scale, min);
    StoreFreePair(FitPair<kWeighed>(grid, run, scale, min), su, scale, min,
                  free, lane);
  }
  for (int i = 0; i <= starts.refits; ++i) {
    for (size_t first = 0; first < kBlockLanes; first += plan.runs) {
      const PairStep step =
          i == 0 ? ChoosePairStep(plan, tile, free, first, starts)
                 : RefitPairStep(plan, tile, free, whole, first);
      StoreStep(plan, tile, step.scale, first, whole.step);
      StoreStep(plan, tile, step.min, first, whole.min_step);
    }
    const bool last = i == starts.refits;
    FitWholePairs<kWeighed>(plan, tile, free,
                            last ? starts.neighbours : starts.early, whole);
    KeepBetterPairs(whole, best_errors, tile);
    if (!last) RefitFreePairs<kWeighed>(plan, tile, free, whole);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif
