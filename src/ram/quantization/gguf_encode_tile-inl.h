// Tiles of the block encoders, once for each SIMD target: 16 runs of weights,
// each in its own lane, so that every sum over a run is vertical and no result
// depends on the vector width. Sums over the runs of a block are taken in the
// order of the runs.
#if defined(RAM_QUANTIZATION_GGUF_ENCODE_TILE_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef RAM_QUANTIZATION_GGUF_ENCODE_TILE_INL_H_
#undef RAM_QUANTIZATION_GGUF_ENCODE_TILE_INL_H_
#else
#define RAM_QUANTIZATION_GGUF_ENCODE_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include "ram/quantization/affine_tile-inl.h"
#include "ram/quantization/gguf_blocks.h"
#include "ram/quantization/gguf_encode_plans.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

static_assert(kBlockLanes == kTileLanes);
using DI = hn::RebindToSigned<LaneTag>;

// Per lane.
struct LaneValues {
  HWY_ALIGN float at[kBlockLanes];
};

struct BlockTile {
  // [row][lane]; over `size`, a power of two that is the same for all runs of
  // a block, so that the largest weight is below 4 and nothing overflows.
  HWY_ALIGN float weights[kBlockTileWeights];
  HWY_ALIGN float importance[kBlockTileWeights];
  HWY_ALIGN float column_weights[kBlockTileWeights];
  LaneValues size, per_size;
  LaneValues low, high;
  LaneValues importance_sum;
  // The choice. Over size: weight = scale * code - min.
  LaneValues scale, min;
  // Of a run: whole numbers. Of a block: scale = d * scale_code.
  LaneValues scale_code, min_code;
  LaneValues d, d_min;
  LaneValues error;  // plain squared, over size^2
  HWY_ALIGN uint32_t words[kBlockTileWeights / 4];
  HWY_ALIGN uint32_t codes[kBlockTileWeights / 4];  // a byte each, in order
};

// Some lanes of a tile.
struct Run {
  const float* HWY_RESTRICT weights;     // [rows][kBlockLanes]
  const float* HWY_RESTRICT importance;  // the same
  size_t rows;
};

HWY_INLINE Run RunAt(const BlockTile& tile, const BlockPlan& plan,
                     size_t lane) {
  return {tile.weights + lane, tile.importance + lane, plan.rows};
}

HWY_INLINE size_t LaneStep() { return hn::Lanes(LaneTag()); }

HWY_INLINE V LaneLoad(const LaneValues& from, size_t lane) {
  return hn::Load(LaneTag(), from.at + lane);
}
HWY_INLINE void LaneStore(V v, LaneValues& to, size_t lane) {
  hn::Store(v, LaneTag(), to.at + lane);
}

HWY_INLINE void MaxOverBlocks(size_t runs, LaneValues& values) {
  for (size_t first = 0; first < kBlockLanes; first += runs) {
    float most = values.at[first];
    for (size_t i = first; i < first + runs; ++i) {
      most = values.at[i] > most ? values.at[i] : most;
    }
    for (size_t i = first; i < first + runs; ++i) values.at[i] = most;
  }
}

HWY_INLINE void SumOverBlocks(size_t runs, LaneValues& values) {
  for (size_t first = 0; first < kBlockLanes; first += runs) {
    float sum = values.at[first];
    for (size_t i = first + 1; i < first + runs; ++i) sum += values.at[i];
    for (size_t i = first; i < first + runs; ++i) values.at[i] = sum;
  }
}

// What is stored of `x`, which is over size: an F16, finite.
HWY_INLINE V StoredHalf(V x, V size, V per_size) {
  return hn::Mul(RoundFinite(hn::Mul(x, size), DType::kF16), per_size);
}

// 1 / scale, but 0 for 0 and no more than 2^40, so that codes are found with
// finite numbers whatever the scale.
HWY_INLINE V InverseScale(V scale) {
  const LaneTag d;
  const V inverse =
      hn::Min(hn::Abs(hn::Div(hn::Set(d, 1.0f), scale)), hn::Set(d, 0x1p40f));
  return hn::IfThenZeroElse(hn::Eq(scale, hn::Zero(d)),
                            hn::CopySign(inverse, scale));
}

HWY_INLINE V NearestWhole(V x) {
  const LaneTag d;
  const V magic = hn::Set(d, kRoundingMagic);
  return hn::Sub(hn::Add(x, magic), magic);
}
// The nearest whole number of a range; |x| is at most 2^60.
HWY_INLINE V NearestIn(V x, V lowest, V highest) {
  return NearestWhole(hn::Min(hn::Max(x, lowest), highest));
}

// Codes that are their own value.
class LinearGrid {
 public:
  explicit HWY_INLINE LinearGrid(const BlockPlan& plan)
      : lowest_(hn::Set(LaneTag(), static_cast<float>(plan.lowest))),
        highest_(hn::Set(LaneTag(), static_cast<float>(plan.highest))) {}
  HWY_INLINE V Nearest(V x) const { return NearestIn(x, lowest_, highest_); }
  // The nearest value, and the code that stands for it.
  HWY_INLINE V Nearest(V x, VU& code) const {
    const V value = Nearest(x);
    code = hn::BitCast(DU(), hn::ConvertTo(DI(), hn::Sub(value, lowest_)));
    return value;
  }

 private:
  V lowest_, highest_;
};

// Codes of IQ4_NL and IQ4_XS.
class TableGrid {
 public:
  explicit HWY_INLINE TableGrid(const BlockPlan&) {}
  HWY_INLINE V Nearest(V x) const {
    const LaneTag d;
    V value = hn::Set(d, float{kIq4Values[0]});
    for (int i = 0; i < 15; ++i) {
      const float below = kIq4Values[i], above = kIq4Values[i + 1];
      const auto over = hn::Gt(x, hn::Set(d, 0.5f * (below + above)));
      value =
          hn::Add(value, hn::IfThenElseZero(over, hn::Set(d, above - below)));
    }
    return value;
  }
  HWY_INLINE V Nearest(V x, VU& code) const {
    const LaneTag d;
    const V value = Nearest(x);
    V index = hn::Zero(d);
    for (int i = 0; i < 15; ++i) {
      const auto over =
          hn::Gt(value, hn::Set(d, static_cast<float>(kIq4Values[i])));
      index = hn::Add(index, hn::IfThenElseZero(over, hn::Set(d, 1.0f)));
    }
    code = hn::BitCast(DU(), hn::ConvertTo(DI(), index));
    return value;
  }
};

HWY_INLINE void LoadColumnWeights(const BlockPlan& plan,
                                  const float* HWY_RESTRICT column_weights,
                                  BlockTile& tile) {
  const LaneTag d;
  float* HWY_RESTRICT to = tile.column_weights;
  TransposeBlocks<float>(column_weights, kBlockLanes, plan.rows, to);
  LaneValues most;
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    V largest = hn::Zero(d);
    for (size_t row = 0; row < plan.rows; ++row) {
      largest = hn::Max(largest, hn::Load(d, to + row * kBlockLanes + lane));
    }
    LaneStore(largest, most, lane);
  }
  MaxOverBlocks(plan.runs, most);
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const V largest = LaneLoad(most, lane);
    const auto none = hn::Eq(largest, hn::Zero(d));
    const V one = hn::Set(d, 1.0f);
    const V divisor = hn::IfThenElse(none, one, largest);
    for (size_t row = 0; row < plan.rows; ++row) {
      float* HWY_RESTRICT at = to + row * kBlockLanes + lane;
      const V part = hn::Div(hn::Load(d, at), divisor);
      hn::Store(hn::IfThenElse(none, one, part), d, at);
    }
  }
}

// Range of each run, and the weights over the size of their block.
HWY_INLINE void LoadWeights(const BlockPlan& plan,
                            const float* HWY_RESTRICT weights,
                            BlockTile& tile) {
  const LaneTag d;
  float* HWY_RESTRICT to = tile.weights;
  TransposeBlocks<float>(weights, kBlockLanes, plan.rows, to);
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    V low = hn::Zero(d), high = low;
    GroupRange(to + lane, plan.rows, low, high);
    LaneStore(low, tile.low, lane);
    LaneStore(high, tile.high, lane);
    LaneStore(hn::Max(hn::Abs(low), hn::Abs(high)), tile.size, lane);
  }
  if (plan.runs > 1) MaxOverBlocks(plan.runs, tile.size);
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const V largest =
        hn::Min(hn::Max(LaneLoad(tile.size, lane), hn::Set(d, 0x1p-120f)),
                hn::Set(d, 0x1p126f));
    // The power of two below.
    const V size = hn::BitCast(
        d, hn::And(hn::BitCast(DU(), largest), hn::Set(DU(), 0x7F800000u)));
    const V per_size = hn::Div(hn::Set(d, 1.0f), size);
    LaneStore(size, tile.size, lane);
    LaneStore(per_size, tile.per_size, lane);
    LaneStore(hn::Mul(LaneLoad(tile.low, lane), per_size), tile.low, lane);
    LaneStore(hn::Mul(LaneLoad(tile.high, lane), per_size), tile.high, lane);
    for (size_t row = 0; row < plan.rows; ++row) {
      float* HWY_RESTRICT at = to + row * kBlockLanes + lane;
      hn::Store(hn::Mul(hn::Load(d, at), per_size), d, at);
    }
  }
}

// Mean of squares of each run, or of each block.
HWY_INLINE void MeanSquares(const BlockPlan& plan, size_t runs,
                            const BlockTile& tile, LaneValues& means) {
  const LaneTag d;
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    V sum = hn::Zero(d);
    for (size_t row = 0; row < plan.rows; ++row) {
      const V x = hn::Load(d, tile.weights + row * kBlockLanes + lane);
      sum = hn::Add(sum, hn::Mul(x, x));
    }
    LaneStore(sum, means, lane);
  }
  SumOverBlocks(runs, means);
  const V per_count = hn::Set(d, 1.0f / static_cast<float>(plan.rows * runs));
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    LaneStore(hn::Mul(LaneLoad(means, lane), per_count), means, lane);
  }
}

// Kinds of importance: of one weight, given the mean square of its run or
// block and the weight of its column.
struct ByMagnitude {
  HWY_INLINE V operator()(V x, V, V) const { return hn::Abs(x); }
};
struct BySquare {
  HWY_INLINE V operator()(V x, V, V) const { return hn::Mul(x, x); }
};
struct ByRms {
  HWY_INLINE V operator()(V x, V mean, V) const {
    return hn::Add(hn::Sqrt(mean), hn::Abs(x));
  }
};
struct ByColumn {
  HWY_INLINE V operator()(V, V, V column) const { return column; }
};
struct ByColumnAndSize {
  float power;
  HWY_INLINE V operator()(V x, V mean, V column) const {
    const V most = hn::Mul(mean, hn::Set(LaneTag(), power));
    return hn::Mul(column, hn::Sqrt(hn::Add(most, hn::Mul(x, x))));
  }
};

template <typename Importance>
HWY_INLINE void FillImportance(const BlockPlan& plan,
                               const Importance& importance,
                               const LaneValues& means, BlockTile& tile) {
  const LaneTag d;
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const V mean = LaneLoad(means, lane);
    V sum = hn::Zero(d);
    for (size_t row = 0; row < plan.rows; ++row) {
      const size_t at = row * kBlockLanes + lane;
      const V u = importance(hn::Load(d, tile.weights + at), mean,
                             hn::Load(d, tile.column_weights + at));
      sum = hn::Add(sum, u);
      hn::Store(u, d, tile.importance + at);
    }
    LaneStore(sum, tile.importance_sum, lane);
  }
}

HWY_INLINE void ComputeImportance(const BlockPlan& plan, bool columns,
                                  BlockTile& tile) {
  LaneValues means = {};
  if (columns && plan.power < 0) {
    FillImportance(plan, ByColumn(), means, tile);
  } else if (columns) {
    MeanSquares(plan, plan.runs, tile, means);
    FillImportance(plan, ByColumnAndSize{plan.power}, means, tile);
  } else if (plan.importance == BlockImportance::kMagnitude) {
    FillImportance(plan, ByMagnitude(), means, tile);
  } else if (plan.importance == BlockImportance::kSquare) {
    FillImportance(plan, BySquare(), means, tile);
  } else if (plan.importance == BlockImportance::kRms) {
    MeanSquares(plan, 1, tile, means);
    FillImportance(plan, ByRms(), means, tile);
  } else {
    for (float& sum : tile.importance_sum.at) {
      sum = static_cast<float>(plan.rows);
    }
  }
}

// The codes of the choice, and its error.
template <class Grid>
HWY_INLINE void TakeCodes(const BlockPlan& plan, BlockTile& tile) {
  const LaneTag d;
  const Grid grid(plan);
  for (size_t lane = 0; lane < kBlockLanes; lane += LaneStep()) {
    const V scale = LaneLoad(tile.scale, lane);
    const V min = LaneLoad(tile.min, lane);
    const V inverse = InverseScale(scale);
    V error = hn::Zero(d);
    for (size_t row = 0; row < plan.rows; row += 4) {
      VU word = hn::Zero(DU());
      for (size_t i = 4; i-- > 0;) {
        const V x = hn::Add(
            hn::Load(d, tile.weights + (row + i) * kBlockLanes + lane), min);
        VU code = word;
        const V value = grid.Nearest(hn::Mul(x, inverse), code);
        word = hn::Or(hn::ShiftLeft<8>(word), code);
        const V e = hn::Sub(x, hn::Mul(scale, value));
        error = hn::Add(error, hn::Mul(e, e));
      }
      hn::Store(word, DU(), tile.words + row / 4 * kBlockLanes + lane);
    }
    LaneStore(error, tile.error, lane);
  }
  TransposeBlocks<uint32_t>(tile.words, plan.rows / 4, kBlockLanes, tile.codes);
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif
