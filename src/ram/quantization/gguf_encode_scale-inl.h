// The search for weight = scale * code, once for each SIMD target: blocks of
// one run (Q8_0, Q4_0, Q5_0, IQ4_NL), and blocks whose runs have small whole
// numbers for scales, times d (Q6_K, Q3_K, IQ4_XS).
#if defined(RAM_QUANTIZATION_GGUF_ENCODE_SCALE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef RAM_QUANTIZATION_GGUF_ENCODE_SCALE_INL_H_
#undef RAM_QUANTIZATION_GGUF_ENCODE_SCALE_INL_H_
#else
#define RAM_QUANTIZATION_GGUF_ENCODE_SCALE_INL_H_
#endif

#include <hwy/highway.h>

#include <cmath>

#include "ram/quantization/gguf_encode_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

// Smaller sums of importance are those of runs that count for nothing.
inline constexpr float kLeastImportance = 0x1p-100f;

// The error of a scale with the nearest codes. With these codes any scale s has
// the error `error` - `gain` + `curvature` * (s - `refit`)^2.
template <class Grid, bool kWeighed>
HWY_INLINE void FitScale(const Grid& grid, const Run& run, V scale, V& error,
                         V& refit, V& curvature, V& gain) {
  const LaneTag d;
  const V inverse = InverseScale(scale);
  V ee = hn::Zero(d), qe = ee, qq = ee;
  for (size_t row = 0; row < run.rows; ++row) {
    const V x = hn::Load(d, run.weights + row * kBlockLanes);
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
    qq = hn::Add(qq, hn::Mul(uq, q));
  }
  const V change = hn::Div(qe, hn::Max(qq, hn::Set(d, kLeastImportance)));
  error = ee;
  refit = hn::Add(scale, change);
  curvature = qq;
  gain = hn::Mul(change, qe);
}

template <class Grid, bool kWeighed>
HWY_INLINE V ScaleError(const Grid& grid, const Run& run, V scale) {
  const LaneTag d;
  const V inverse = InverseScale(scale);
  V ee = hn::Zero(d);
  for (size_t row = 0; row < run.rows; ++row) {
    const V x = hn::Load(d, run.weights + row * kBlockLanes);
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

// The weight of the largest magnitude, with its sign; of two the first, which
// rounding to nearest goes by.
HWY_INLINE V Edge(const BlockPlan& plan, const BlockTile& tile, size_t lane) {
  const LaneTag d;
  const V low = LaneLoad(tile.low, lane);
  const V high = LaneLoad(tile.high, lane);
  V edge = hn::IfThenElse(hn::Gt(hn::Abs(low), hn::Abs(high)), low, high);
  const auto tie = hn::Eq(hn::Neg(low), high);
  if (hn::AllFalse(d, tie)) return edge;
  for (size_t row = plan.rows; row-- > 0;) {
    const V x = hn::Load(d, tile.weights + row * kBlockLanes + lane);
    const auto largest = hn::And(tie, hn::Eq(hn::Abs(x), high));
    edge = hn::IfThenElse(largest, x, edge);
  }
  return edge;
}

// The best of the starts, each after one refit. A start is the code, not
// always whole, on which the largest weight falls.
template <class Grid, bool kWeighed>
HWY_INLINE V BestStart(const Grid& grid, const Run& run, V edge,
                       const ScaleStarts& starts) {
  const LaneTag d;
  V best = hn::Zero(d), best_error = hn::Inf(d);
  V error = best, refit = best, curvature = best, gain = best;
  for (size_t i = 0; i < starts.count; ++i) {
    const V scale = hn::Mul(edge, hn::Set(d, 1.0f / starts.codes[i]));
    FitScale<Grid, kWeighed>(grid, run, scale, error, refit, curvature, gain);
    const V fitted = hn::Sub(error, gain);
    const auto better = hn::Lt(fitted, best_error);
    best = hn::IfThenElse(better, refit, best);
    best_error = hn::IfThenElse(better, fitted, best_error);
  }
  return best;
}

// Blocks of one run: every scale is judged as it is stored.
template <class Grid, bool kWeighed>
HWY_INLINE void SearchStoredScale(const BlockPlan& plan,
                                  const ScaleStarts& starts, BlockTile& tile) {
  const LaneTag d;
  const Grid grid(plan);
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const Run run = RunAt(tile, plan, lane);
    const V size = LaneLoad(tile.size, lane);
    const V per_size = LaneLoad(tile.per_size, lane);
    const V edge = Edge(plan, tile, lane);
    // What rounding to nearest would store.
    V best = StoredHalf(hn::Mul(edge, hn::Set(d, 1.0f / starts.plain)), size,
                        per_size);
    V best_error = hn::Zero(d), refit = best_error, unused = best_error;
    V gain = best_error;
    FitScale<Grid, kWeighed>(grid, run, best, best_error, refit, unused, gain);
    if (starts.count > 0) {
      refit = BestStart<Grid, kWeighed>(grid, run, edge, starts);
    }
    for (int i = 0; i < starts.refits; ++i) {
      const V scale = StoredHalf(refit, size, per_size);
      V error = hn::Zero(d);
      FitScale<Grid, kWeighed>(grid, run, scale, error, refit, unused, gain);
      const auto better = hn::Lt(error, best_error);
      best = hn::IfThenElse(better, scale, best);
      best_error = hn::IfThenElse(better, error, best_error);
    }
    LaneStore(best, tile.scale, lane);
    LaneStore(hn::Zero(d), tile.min, lane);
    LaneStore(hn::Mul(best, size), tile.d, lane);
  }
}

// The scale of each run of a tile that would be best by itself.
struct FreeScales {
  LaneValues best;
  LaneValues curvature;
};

// The one of the largest magnitude among the runs of a block.
HWY_INLINE float Largest(const LaneValues& values, size_t first, size_t runs) {
  float top = 0;
  for (size_t i = first; i < first + runs; ++i) {
    if (std::abs(values.at[i]) > std::abs(top)) top = values.at[i];
  }
  return top;
}

// d for one block from the free scales of its runs; a candidate a lane.
HWY_INLINE float ChooseStep(const BlockPlan& plan, const BlockTile& tile,
                            const FreeScales& free, size_t first,
                            const ScaleStarts& starts) {
  const LaneTag d;
  const V top = hn::Set(d, Largest(free.best, first, plan.runs));
  const V size = hn::Set(d, tile.size.at[first]);
  const V per_size = hn::Set(d, tile.per_size.at[first]);
  LaneValues steps, costs;
  const V lowest = hn::Set(d, static_cast<float>(plan.lowest_scale));
  const V highest = hn::Set(d, static_cast<float>(plan.highest_scale));
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const V divisor = hn::Load(d, starts.divisors.at + lane);
    const V step = StoredHalf(hn::Div(top, divisor), size, per_size);
    const V inverse = InverseScale(step);
    V cost = hn::Zero(d);
    for (size_t i = first; i < first + plan.runs; ++i) {
      const V scale = hn::Set(d, free.best.at[i]);
      const V whole = NearestIn(hn::Mul(scale, inverse), lowest, highest);
      const V off = hn::Sub(scale, hn::Mul(step, whole));
      cost = hn::Add(
          cost, hn::Mul(hn::Mul(off, off), hn::Set(d, free.curvature.at[i])));
    }
    LaneStore(step, steps, lane);
    LaneStore(cost, costs, lane);
  }
  size_t best = 0;
  for (size_t i = 1; i < kBlockLanes; ++i) {
    if (costs.at[i] < costs.at[best]) best = i;
  }
  return steps.at[best];
}

// d of every block of a tile, over size; the whole numbers of each run, and
// the error of its block.
struct WholeScales {
  LaneValues step;
  LaneValues scale;
  LaneValues error;
};

// d for one block from its whole numbers and the free scales of their codes,
// by least squares.
HWY_INLINE float RefitStep(const BlockPlan& plan, const FreeScales& free,
                           const WholeScales& whole, size_t first) {
  float products = 0, squares = kLeastImportance;
  for (size_t i = first; i < first + plan.runs; ++i) {
    const float weighed = free.curvature.at[i] * whole.scale.at[i];
    products += weighed * free.best.at[i];
    squares += weighed * whole.scale.at[i];
  }
  return squares > 2 * kLeastImportance ? products / squares
                                        : whole.step.at[first];
}

// For given d: the best whole number of each run near its free scale, its
// error, and the free scale for its codes.
template <class Grid, bool kWeighed>
HWY_INLINE void FitWholeScales(const BlockPlan& plan, const BlockTile& tile,
                               int reach, FreeScales& free,
                               WholeScales& whole) {
  const LaneTag d;
  const Grid grid(plan);
  const V lowest = hn::Set(d, static_cast<float>(plan.lowest_scale));
  const V highest = hn::Set(d, static_cast<float>(plan.highest_scale));
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const Run run = RunAt(tile, plan, lane);
    const V step = LaneLoad(whole.step, lane);
    const V place = hn::Mul(LaneLoad(free.best, lane), InverseScale(step));
    const V middle = NearestIn(place, lowest, highest);
    V best = middle;
    V error = hn::Zero(d), refit = error, curvature = error, gain = error;
    FitScale<Grid, kWeighed>(grid, run, hn::Mul(step, best), error, refit,
                             curvature, gain);
    for (int off = -reach; off <= reach; ++off) {
      if (off == 0) continue;
      const V other =
          NearestIn(hn::Add(middle, hn::Set(d, static_cast<float>(off))),
                    lowest, highest);
      V other_error = error, other_refit = error, other_curvature = error;
      FitScale<Grid, kWeighed>(grid, run, hn::Mul(step, other), other_error,
                               other_refit, other_curvature, gain);
      const auto better = hn::Lt(other_error, error);
      best = hn::IfThenElse(better, other, best);
      error = hn::IfThenElse(better, other_error, error);
      refit = hn::IfThenElse(better, other_refit, refit);
      curvature = hn::IfThenElse(better, other_curvature, curvature);
    }
    LaneStore(best, whole.scale, lane);
    LaneStore(error, whole.error, lane);
    LaneStore(refit, free.best, lane);
    LaneStore(curvature, free.curvature, lane);
  }
  SumOverBlocks(plan.runs, whole.error);
}

HWY_INLINE void KeepBetterScales(const WholeScales& whole,
                                 LaneValues& best_errors, BlockTile& tile) {
  for (size_t k = 0; k < kBlockLanes; ++k) {
    if (!(whole.error.at[k] < best_errors.at[k])) continue;
    best_errors.at[k] = whole.error.at[k];
    tile.d.at[k] = whole.step.at[k] * tile.size.at[k];
    tile.scale_code.at[k] = whole.scale.at[k];
    tile.scale.at[k] = whole.step.at[k] * whole.scale.at[k];
    tile.min.at[k] = 0;
  }
}

HWY_INLINE void StoreStep(const BlockPlan& plan, const BlockTile& tile,
                          float step, size_t first, LaneValues& steps) {
  const LaneTag d;
  const V stored = StoredHalf(hn::Set(d, step), hn::Set(d, tile.size.at[first]),
                              hn::Set(d, tile.per_size.at[first]));
  for (size_t k = first; k < first + plan.runs; ++k) {
    steps.at[k] = hn::GetLane(stored);
  }
}

// Blocks of several runs: rounding to nearest first, then the search.
template <class Grid, bool kWeighed>
HWY_INLINE void SearchWholeScales(const BlockPlan& plan,
                                  const ScaleStarts& starts, BlockTile& tile) {
  const LaneTag d;
  const Grid grid(plan);
  FreeScales free;
  WholeScales whole;
  LaneValues best_errors;
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    LaneStore(hn::Mul(Edge(plan, tile, lane), hn::Set(d, 1.0f / starts.plain)),
              free.best, lane);
    LaneStore(hn::Inf(d), best_errors, lane);
  }
  for (size_t first = 0; first < kBlockLanes; first += plan.runs) {
    const float top = Largest(free.best, first, plan.runs);
    StoreStep(plan, tile, top / static_cast<float>(plan.lowest_scale), first,
              whole.step);
  }
  FitWholeScales<Grid, kWeighed>(plan, tile, 0, free, whole);
  KeepBetterScales(whole, best_errors, tile);

  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const Run run = RunAt(tile, plan, lane);
    const V scale =
        BestStart<Grid, kWeighed>(grid, run, Edge(plan, tile, lane), starts);
    V error = scale, refit = scale, curvature = scale, gain = scale;
    FitScale<Grid, kWeighed>(grid, run, scale, error, refit, curvature, gain);
    LaneStore(refit, free.best, lane);
    LaneStore(curvature, free.curvature, lane);
  }
  for (int i = 0; i <= starts.refits; ++i) {
    for (size_t first = 0; first < kBlockLanes; first += plan.runs) {
      const float step = i == 0 ? ChooseStep(plan, tile, free, first, starts)
                                : RefitStep(plan, free, whole, first);
      StoreStep(plan, tile, step, first, whole.step);
    }
    FitWholeScales<Grid, kWeighed>(plan, tile, starts.reach, free, whole);
    KeepBetterScales(whole, best_errors, tile);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif
