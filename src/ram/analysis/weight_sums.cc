#include "ram/analysis/weight_sums.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ram/base/checked.h"
#include "ram/tensor/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/analysis/weight_sums.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "ram/analysis/affine_error-inl.h"
#include "ram/analysis/weight_tile-inl.h"

#ifndef RAM_ANALYSIS_WEIGHT_SUMS_ONCE
#define RAM_ANALYSIS_WEIGHT_SUMS_ONCE
namespace ram {
namespace {

// Rows whose column sums are added in float before they go into doubles.
constexpr uint64_t kFlushRows = 64;

constexpr size_t kOutlierDeviations = 5;

// Index of a lane's sum that is kept from tile to tile.
enum LaneSum : size_t {
  kErrors = 0,  // [3 group sizes][6 widths]
  kRounding = kAffineSchemeCount,
  kPowers,
  kZeros = kPowers + 4,
  kLaneSums,
};

}  // namespace
}  // namespace ram
#endif

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

// The state of one pass over a slice.
struct SliceState {
  alignas(64) float rows[kLanes * kGroup];     // [lane][weight]
  alignas(64) float weights[kGroup * kLanes];  // [weight][lane]
  alignas(64) float low[7][kLanes];  // of 4 x 32, 2 x 64, 1 x 128 weights
  alignas(64) float high[7][kLanes];
  alignas(64) float peaks[4][kLanes];  // absmax of 32
  alignas(64) float squares[kLanes];   // of the tile
  alignas(64) float valid[kLanes];     // weights that are not padding
  alignas(64) float tile_sums[kLaneSums][kLanes];
  alignas(64) double sums[kLaneSums][kLanes];
  alignas(64) float worst[kLanes];          // range of the widest 64
  alignas(64) uint32_t worst_half[kLanes];  // 2 x tile + half, of that
  alignas(64) float min[kLanes];
  alignas(64) float max[kLanes];
  AffineParameters parameters;
};

// A walk over the groups of 128 of a slice, row by row.
struct GroupWalk {
  uint64_t row = 0;
  uint64_t col = 0;
};

constexpr size_t k64 = 4;   // first index of low and high for 64 weights
constexpr size_t k128 = 6;  // and for 128

template <class D>
HWY_INLINE void FindExtremes(D d, size_t lane, SliceState& state) {
  using V = hn::Vec<D>;
  const float* HWY_RESTRICT w = state.weights + lane;
  constexpr size_t kQuarter = 32 * kLanes;
  V low0 = hn::Load(d, w), high0 = low0;
  V low1 = hn::Load(d, w + kQuarter), high1 = low1;
  V low2 = hn::Load(d, w + 2 * kQuarter), high2 = low2;
  V low3 = hn::Load(d, w + 3 * kQuarter), high3 = low3;
  for (size_t j = kLanes; j < kQuarter; j += kLanes) {
    const V w0 = hn::Load(d, w + j);
    const V w1 = hn::Load(d, w + kQuarter + j);
    const V w2 = hn::Load(d, w + 2 * kQuarter + j);
    const V w3 = hn::Load(d, w + 3 * kQuarter + j);
    low0 = hn::Min(low0, w0);
    low1 = hn::Min(low1, w1);
    low2 = hn::Min(low2, w2);
    low3 = hn::Min(low3, w3);
    high0 = hn::Max(high0, w0);
    high1 = hn::Max(high1, w1);
    high2 = hn::Max(high2, w2);
    high3 = hn::Max(high3, w3);
  }
  const auto keep = [&](size_t i, V low, V high) HWY_ATTR {
    hn::Store(low, d, state.low[i] + lane);
    hn::Store(high, d, state.high[i] + lane);
    if (i < 4) {
      hn::Store(hn::Max(hn::Abs(low), hn::Abs(high)), d, state.peaks[i] + lane);
    }
  };
  keep(0, low0, high0);
  keep(1, low1, high1);
  keep(2, low2, high2);
  keep(3, low3, high3);
  const V low4 = hn::Min(low0, low1), high4 = hn::Max(high0, high1);
  const V low5 = hn::Min(low2, low3), high5 = hn::Max(high2, high3);
  keep(4, low4, high4);
  keep(5, low5, high5);
  keep(6, hn::Min(low4, low5), hn::Max(high4, high5));
}

// Extremes of the slice and its widest group, for a tile without padding.
template <class D>
HWY_INLINE void KeepExtremes(D d, size_t lane, uint32_t tile,
                             SliceState& state) {
  const hn::RebindToUnsigned<D> d32;
  hn::Store(hn::Min(hn::Load(d, state.min + lane),
                    hn::Load(d, state.low[k128] + lane)),
            d, state.min + lane);
  hn::Store(hn::Max(hn::Load(d, state.max + lane),
                    hn::Load(d, state.high[k128] + lane)),
            d, state.max + lane);
  auto worst = hn::Load(d, state.worst + lane);
  auto where = hn::Load(d32, state.worst_half + lane);
  for (uint32_t half = 0; half < 2; ++half) {
    const auto range = hn::Sub(hn::Load(d, state.high[k64 + half] + lane),
                               hn::Load(d, state.low[k64 + half] + lane));
    const auto wider = hn::Gt(range, worst);
    worst = hn::IfThenElse(wider, range, worst);
    where = hn::IfThenElse(hn::RebindMask(d32, wider),
                           hn::Set(d32, 2 * tile + half), where);
  }
  hn::Store(worst, d, state.worst + lane);
  hn::Store(where, d32, state.worst_half + lane);
}

// The same where padding must not count.
void KeepValidExtremes(uint32_t tile, SliceState& state) {
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const size_t valid = static_cast<size_t>(state.valid[lane]);
    for (size_t half = 0; half < 2 && half * 64 < valid; ++half) {
      const float* w = state.rows + lane * kGroup + half * 64;
      const float* end = w + std::min<size_t>(64, valid - half * 64);
      const auto [low, high] = std::minmax_element(w, end);
      state.min[lane] = std::min(state.min[lane], *low);
      state.max[lane] = std::max(state.max[lane], *high);
      if (*high - *low <= state.worst[lane]) continue;
      state.worst[lane] = *high - *low;
      state.worst_half[lane] = 2 * tile + static_cast<uint32_t>(half);
    }
  }
}

// Moments, zeros and the rounding error of docs/metrics.md, in which padding
// counts for the range but has no error.
template <bool kPadded, class D>
HWY_INLINE void AddMoments(D d, size_t lane, float pivot_value,
                           SliceState& state) {
  using V = hn::Vec<D>;
  const V pivot = hn::Set(d, pivot_value);
  const V valid = hn::Load(d, state.valid + lane);
  const V one = hn::Set(d, 1.0f);
  const V top = hn::Set(d, 15.0f);
  const V low = hn::Load(d, state.low[k128] + lane);
  const V range = hn::Sub(hn::Load(d, state.high[k128] + lane), low);
  const V scale = hn::Max(hn::Div(range, top), hn::Set(d, 1e-12f));
  const V inverse = hn::Div(one, scale);
  V squares = hn::Zero(d), zeros = hn::Zero(d), rounding = hn::Zero(d);
  V p1 = hn::Zero(d), p2 = hn::Zero(d), p3 = hn::Zero(d), p4 = hn::Zero(d);
  V index = hn::Zero(d);
  for (size_t j = 0; j < kGroup; ++j) {
    const V w = hn::Load(d, state.weights + j * kLanes + lane);
    V x = hn::Sub(w, pivot);
    const V from_low = hn::Sub(w, low);
    const V code = hn::Min(RoundedQuotient(d, from_low, scale, inverse), top);
    V error = hn::Sub(hn::Mul(code, scale), from_low);
    V zero = hn::IfThenElseZero(hn::Eq(w, hn::Zero(d)), one);
    if constexpr (kPadded) {
      const auto real = hn::Lt(index, valid);
      x = hn::IfThenElseZero(real, x);
      error = hn::IfThenElseZero(real, error);
      zero = hn::IfThenElseZero(real, zero);
      index = hn::Add(index, one);
    }
    const V x2 = hn::Mul(x, x);
    squares = hn::Add(squares, hn::Mul(w, w));
    zeros = hn::Add(zeros, zero);
    rounding = hn::Add(rounding, hn::Mul(error, error));
    p1 = hn::Add(p1, x);
    p2 = hn::Add(p2, x2);
    p3 = hn::Add(p3, hn::Mul(x2, x));
    p4 = hn::Add(p4, hn::Mul(x2, x2));
  }
  hn::Store(squares, d, state.squares + lane);
  hn::Store(rounding, d, state.tile_sums[kRounding] + lane);
  hn::Store(p1, d, state.tile_sums[kPowers] + lane);
  hn::Store(p2, d, state.tile_sums[kPowers + 1] + lane);
  hn::Store(p3, d, state.tile_sums[kPowers + 2] + lane);
  hn::Store(p4, d, state.tile_sums[kPowers + 3] + lane);
  hn::Store(zeros, d, state.tile_sums[kZeros] + lane);
}

// The errors of all schemes of which a group fits in the rows.
template <class CastTo, class D>
HWY_INLINE void AddSchemes(D d, size_t lane, uint64_t cols, SliceState& state) {
  for (size_t size = 0; size < 3; ++size) {
    auto* errors = state.tile_sums + kErrors + 6 * size;
    for (size_t i = 0; i < 6; ++i) {
      hn::Store(hn::Zero(d), d, errors[i] + lane);
    }
    const size_t length = size_t{32} << size;
    if (cols % length != 0) continue;
    const size_t first = 8 - (size_t{8} >> size);  // 0, 4, 6
    for (size_t i = 0; i < (4u >> size); ++i) {
      const size_t at = first + i;
      SetParameters<CastTo>(d, hn::Load(d, state.low[at] + lane),
                            hn::Load(d, state.high[at] + lane), lane,
                            state.parameters);
      AddErrors(d, state.weights + i * length * kLanes, length, lane,
                state.parameters, errors);
    }
  }
}

// tile_sums into sums.
HWY_INLINE void AddTile(SliceState& state) {
  const hn::CappedTag<double, kLanes> dd;
  const hn::Rebind<float, decltype(dd)> df;
  const size_t lanes = hn::Lanes(dd);
  float* from = state.tile_sums[0];
  double* to = state.sums[0];
  for (size_t i = 0; i < kLaneSums * kLanes; i += lanes) {
    const auto wide = hn::PromoteTo(dd, hn::Load(df, from + i));
    hn::Store(hn::Add(hn::Load(dd, to + i), wide), dd, to + i);
  }
}

// Float column sums into doubles; zeroes them.
void FlushColumns(float* from, std::vector<double>& to) {
  for (size_t i = 0; i < to.size(); ++i) {
    to[i] += static_cast<double>(from[i]);
    from[i] = 0.0f;
  }
}

// How many of n weights lie outside +-limit.
template <class Weights>
uint64_t CountOutside(const std::byte* in, size_t n, float limit) {
  uint64_t count = 0;
  for (size_t i = 0; i < n; ++i) {
    count += std::abs(Weights::LoadOne(in + i * Weights::kBytes)) > limit;
  }
  return count;
}

// The largest float that is not above `value`.
float FloatBelow(double value) {
  const float nearest = static_cast<float>(value);
  if (static_cast<double>(nearest) <= value) return nearest;
  return std::nextafter(nearest, 0.0f);
}

template <class Weights>
void CountNonfinite(const std::byte* row_bytes, uint64_t row, uint64_t cols,
                    WeightSums& sums) {
  for (uint64_t i = 0; i < cols; ++i) {
    if (std::isfinite(Weights::LoadOne(row_bytes + i * Weights::kBytes))) {
      continue;
    }
    if (sums.nonfinite++ == 0) sums.first_nonfinite = row * cols + i;
  }
}

// What can be said of a row once its sum of squares is known.
template <class Weights>
void FinishRow(const WeightSlice& slice, uint64_t row, const float* peaks,
               WeightSums& sums) {
  const std::byte* bytes =
      slice.bytes.data() + row * slice.cols * Weights::kBytes;
  const double mean_square =
      sums.row_squares[row] / static_cast<double>(slice.cols);
  if (!std::isfinite(mean_square)) {
    CountNonfinite<Weights>(bytes, row, slice.cols, sums);
    return;
  }
  const float limit = FloatBelow(kOutlierDeviations * std::sqrt(mean_square));
  const uint64_t quarters = CeilDiv(slice.cols, 32);
  for (uint64_t i = 0; i < quarters; ++i) {
    if (peaks[i] <= limit) continue;
    const size_t n = std::min<size_t>(32, slice.cols - 32 * i);
    sums.outliers +=
        CountOutside<Weights>(bytes + 32 * i * Weights::kBytes, n, limit);
  }
}

// Loads the next 16 groups. True if any of them is padded.
template <class Weights>
HWY_INLINE bool LoadTile(const WeightSlice& slice, const WeightBuffers& buffers,
                         GroupWalk walk, SliceState& state, WeightSums& sums) {
  bool padded = false;
  for (size_t lane = 0; lane < kLanes; ++lane) {
    float* out = state.rows + lane * kGroup;
    const bool past_end = walk.row == slice.rows;
    const size_t n =
        past_end ? 0 : std::min<size_t>(kGroup, slice.cols - walk.col);
    state.valid[lane] = static_cast<float>(n);
    padded = padded || n < kGroup;
    if (past_end) {
      std::fill_n(out, kGroup, 0.0f);
      continue;
    }
    if (walk.col == 0 && walk.row % kFlushRows == 0) {
      if (buffers.column_squares) {
        FlushColumns(buffers.column_squares, sums.column_squares);
      }
      if (buffers.signed_sums) {
        FlushColumns(buffers.signed_sums, sums.signed_sums);
      }
    }
    const std::byte* in = slice.bytes.data() +
                          (walk.row * slice.cols + walk.col) * Weights::kBytes;
    float* squares =
        buffers.column_squares ? buffers.column_squares + walk.col : nullptr;
    if (buffers.signed_sums) {
      LoadGroup<Weights, true>(in, n, slice.signs[walk.row], out, squares,
                               buffers.signed_sums + walk.col);
    } else {
      LoadGroup<Weights, false>(in, n, 1.0f, out, squares, nullptr);
    }
    walk.col += kGroup;
    if (walk.col >= slice.cols) walk = {walk.row + 1, 0};
  }
  return padded;
}

// Hands the tile's sums of squares and peaks to their rows. `walk` is where the
// tile begins and moves to its end.
template <class Weights>
HWY_INLINE void AddToRows(const WeightSlice& slice,
                          const WeightBuffers& buffers, const SliceState& state,
                          GroupWalk& walk, WeightSums& sums) {
  for (size_t lane = 0; lane < kLanes && walk.row < slice.rows; ++lane) {
    sums.row_squares[walk.row] += static_cast<double>(state.squares[lane]);
    for (size_t i = 0; i < 4; ++i) {
      buffers.peaks[walk.col / 32 + i] = state.peaks[i][lane];
    }
    walk.col += kGroup;
    if (walk.col < slice.cols) continue;
    FinishRow<Weights>(slice, walk.row, buffers.peaks, sums);
    walk = {walk.row + 1, 0};
  }
}

void StartState(SliceState& state) {
  std::fill_n(state.sums[0], kLaneSums * kLanes, 0.0);
  std::fill_n(state.worst, kLanes, -1.0f);
  std::fill_n(state.worst_half, kLanes, 0u);
  std::fill_n(state.min, kLanes, std::numeric_limits<float>::max());
  std::fill_n(state.max, kLanes, std::numeric_limits<float>::lowest());
}

double SumLanes(const double* lanes) {
  double sum = 0;
  for (size_t i = 0; i < kLanes; ++i) sum += lanes[i];
  return sum;
}

// The lanes into the sums of the slice, in order.
void FinishSlice(const SliceState& state, uint64_t cols, WeightSums& sums) {
  for (size_t size = 0; size < 3; ++size) {
    for (size_t i = 0; i < 6; ++i) {
      sums.squared_errors[3 * i + size] =
          SumLanes(state.sums[kErrors + 6 * size + i]);
    }
  }
  sums.rounding_error = SumLanes(state.sums[kRounding]);
  for (size_t i = 0; i < 4; ++i) {
    sums.powers[i] = SumLanes(state.sums[kPowers + i]);
  }
  sums.zeros = static_cast<uint64_t>(SumLanes(state.sums[kZeros]));
  sums.min = *std::min_element(state.min, state.min + kLanes);
  sums.max = *std::max_element(state.max, state.max + kLanes);
  sums.worst_range = -1;
  uint64_t worst_group = 0;  // of 64, counted over padded rows
  for (size_t lane = 0; lane < kLanes; ++lane) {
    const uint64_t half = state.worst_half[lane];
    const uint64_t group = (half / 2 * kLanes + lane) * 2 + half % 2;
    const float range = state.worst[lane];
    if (range < sums.worst_range) continue;
    if (range == sums.worst_range && group > worst_group) continue;
    sums.worst_range = range;
    worst_group = group;
  }
  const uint64_t groups_per_row = 2 * CeilDiv(cols, kGroup);
  sums.worst_row = worst_group / groups_per_row;
  sums.worst_col = worst_group % groups_per_row * 64;
}

template <class Weights, class CastTo>
void SumTiles(const WeightSlice& slice, const WeightBuffers& buffers,
              SliceState& state, WeightSums& sums) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  GroupWalk walk;
  for (uint32_t tile = 0; walk.row < slice.rows; ++tile) {
    const bool padded = LoadTile<Weights>(slice, buffers, walk, state, sums);
    TransposeTile(state.rows, state.weights);
    for (size_t lane = 0; lane < kLanes; lane += lanes) {
      FindExtremes(d, lane, state);
      if (padded) {
        AddMoments<true>(d, lane, slice.pivot, state);
      } else {
        AddMoments<false>(d, lane, slice.pivot, state);
        KeepExtremes(d, lane, tile, state);
      }
      AddSchemes<CastTo>(d, lane, slice.cols, state);
    }
    if (padded) KeepValidExtremes(tile, state);
    AddTile(state);
    AddToRows<Weights>(slice, buffers, state, walk, sums);
  }
}

void SumWeights(const WeightSlice& slice, const WeightBuffers& buffers,
                WeightSums& sums) {
  SliceState state;
  StartState(state);
  if (slice.dtype == DType::kBF16) {
    SumTiles<Bf16Weights, ToBf16>(slice, buffers, state, sums);
  } else if (slice.dtype == DType::kF16) {
    SumTiles<F16Weights, ToF16>(slice, buffers, state, sums);
  } else {
    SumTiles<F32Weights, ToBf16>(slice, buffers, state, sums);
  }
  if (buffers.column_squares) {
    FlushColumns(buffers.column_squares, sums.column_squares);
  }
  if (buffers.signed_sums) FlushColumns(buffers.signed_sums, sums.signed_sums);
  FinishSlice(state, slice.cols, sums);
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {

HWY_EXPORT(SumWeights);

namespace {

// The squared error of storing F32 weights in the 16-bit type.
double KeptError(const WeightSlice& slice) {
  std::vector<float> weights(slice.cols), kept(slice.cols);
  std::vector<std::byte> stored(2 * slice.cols);
  double sum = 0;
  for (uint64_t row = 0; row < slice.rows; ++row) {
    ToFloat(DType::kF32, slice.bytes.data() + 4 * row * slice.cols, weights);
    FromFloat(KeptDType(DType::kF32), weights, stored.data());
    ToFloat(KeptDType(DType::kF32), stored.data(), kept);
    for (uint64_t i = 0; i < slice.cols; ++i) {
      const double error =
          static_cast<double>(kept[i]) - static_cast<double>(weights[i]);
      sum += error * error;
    }
  }
  return sum;
}

}  // namespace

void WeightSummer::Sum(const WeightSlice& slice, WeightSums& sums) {
  std::vector<double> row_squares = std::move(sums.row_squares);
  std::vector<double> column_squares = std::move(sums.column_squares);
  std::vector<double> signed_sums = std::move(sums.signed_sums);
  sums = {};
  sums.row_squares = std::move(row_squares);
  sums.column_squares = std::move(column_squares);
  sums.signed_sums = std::move(signed_sums);
  const uint64_t padded = RoundUp(slice.cols, 128);
  sums.row_squares.assign(slice.rows, 0.0);
  sums.column_squares.assign(slice.columns ? slice.cols : 0, 0.0);
  sums.signed_sums.assign(slice.signs.empty() ? 0 : slice.cols, 0.0);
  column_squares_.assign(slice.columns ? padded : 0, 0.0f);
  signed_sums_.assign(slice.signs.empty() ? 0 : padded, 0.0f);
  peaks_.resize(padded / 32);
  const WeightBuffers buffers = {
      slice.columns ? column_squares_.data() : nullptr,
      slice.signs.empty() ? nullptr : signed_sums_.data(), peaks_.data()};
  HWY_DYNAMIC_DISPATCH(SumWeights)(slice, buffers, sums);
  if (slice.dtype == DType::kF32) sums.kept_error = KeptError(slice);
}

}  // namespace ram
#endif  // HWY_ONCE
