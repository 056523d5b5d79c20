#include "ram/quantization/gguf_encode.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstring>

#include "ram/quantization/gguf_blocks.h"
#include "ram/quantization/gguf_encode_plans.h"
#include "ram/tensor/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/quantization/gguf_encode.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "ram/quantization/gguf_encode_pack-inl.h"
#include "ram/quantization/gguf_encode_pair-inl.h"
#include "ram/quantization/gguf_encode_scale-inl.h"
#include "ram/quantization/gguf_encode_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

template <class Grid, bool kWeighed>
HWY_NOINLINE void SearchScaleTile(const BlockPlan& plan, bool best,
                                  BlockTile& tile) {
  const ScaleStarts& starts = ScaleStartsOf(plan.type, best);
  if (plan.runs == 1) {
    SearchStoredScale<Grid, kWeighed>(plan, starts, tile);
  } else {
    SearchWholeScales<Grid, kWeighed>(plan, starts, tile);
  }
  TakeCodes<Grid>(plan, tile);
}

template <bool kWeighed>
HWY_NOINLINE void SearchPairTile(const BlockPlan& plan, bool best,
                                 BlockTile& tile) {
  const PairStarts& starts = PairStartsOf(plan.type, best);
  if (plan.runs == 1) {
    SearchStoredPair<kWeighed>(plan, starts, tile);
  } else {
    SearchWholePairs<kWeighed>(plan, starts, tile);
  }
  TakeCodes<LinearGrid>(plan, tile);
}

// One tile; column_weights may be null. Leaves what PackTile needs.
void SearchTileKernel(const BlockPlan& plan, bool best,
                      const float* HWY_RESTRICT weights,
                      const float* HWY_RESTRICT column_weights,
                      BlockTile& tile) {
  const bool columns = column_weights != nullptr;
  LoadWeights(plan, weights, tile);
  if (columns) LoadColumnWeights(plan, column_weights, tile);
  ComputeImportance(plan, columns, tile);
  const bool weighed = columns || plan.importance != BlockImportance::kNone;
  const bool table =
      plan.type == GgmlType::kIQ4_NL || plan.type == GgmlType::kIQ4_XS;
  if (plan.offset) {
    weighed ? SearchPairTile<true>(plan, best, tile)
            : SearchPairTile<false>(plan, best, tile);
  } else if (table) {
    SearchScaleTile<TableGrid, true>(plan, best, tile);
  } else {
    weighed ? SearchScaleTile<LinearGrid, true>(plan, best, tile)
            : SearchScaleTile<LinearGrid, false>(plan, best, tile);
  }
}

// Returns the plain squared error.
double EncodeTileKernel(const BlockPlan& plan, bool best,
                        const float* HWY_RESTRICT weights,
                        const float* HWY_RESTRICT column_weights, size_t blocks,
                        uint8_t* HWY_RESTRICT out) {
  BlockTile tile;
  SearchTileKernel(plan, best, weights, column_weights, tile);
  const auto* codes = reinterpret_cast<const uint8_t*>(tile.codes);
  const size_t block_weights = plan.rows * plan.runs;
  const size_t block_bytes = FactsOf(plan.type).block_bytes;
  double error = 0;
  for (size_t i = 0; i < blocks; ++i) {
    const size_t first = i * plan.runs;
    PackBlock(plan.type, {codes + i * block_weights, tile, first},
              out + i * block_bytes);
    double block_error = 0;
    for (size_t k = first; k < first + plan.runs; ++k) {
      block_error += static_cast<double>(tile.error.at[k]);
    }
    const double size = static_cast<double>(tile.size.at[first]);
    error += block_error * size * size;
  }
  return error;
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {
namespace {

HWY_EXPORT(EncodeTileKernel);

// Weights that 16 bits hold, rounded; never an infinity.
double EncodePlain(DType dtype, std::span<const float> weights,
                   std::byte* out) {
  const float limit = dtype == DType::kF16 ? 65504.0f : 0x1.FEp127f;
  constexpr size_t kChunk = 256;
  float clamped[kChunk], decoded[kChunk];
  double error = 0;
  for (size_t i = 0; i < weights.size(); i += kChunk) {
    const size_t count = std::min(kChunk, weights.size() - i);
    for (size_t k = 0; k < count; ++k) {
      clamped[k] = std::clamp(weights[i + k], -limit, limit);
    }
    std::byte* const to = out + i * DTypeBytes(dtype);
    FromFloat(dtype, {clamped, count}, to);
    ToFloat(dtype, to, {decoded, count});
    for (size_t k = 0; k < count; ++k) {
      const double off = static_cast<double>(weights[i + k]) - decoded[k];
      error += off * off;
    }
  }
  return error;
}

}  // namespace

bool CanEncodeBlocks(GgmlType type) {
  return type == GgmlType::kF16 || type == GgmlType::kBF16 ||
         BlockPlanOf(type) != nullptr;
}

double EncodeBlocks(GgmlType type, BlockEffort effort,
                    std::span<const float> weights, uint64_t cols,
                    std::span<const float> column_weights, std::byte* out) {
  assert(CanEncodeBlocks(type));
  if (const auto dtype = PlainDType(type)) {
    return EncodePlain(*dtype, weights, out);
  }
  const BlockPlan& plan = *BlockPlanOf(type);
  const size_t block_weights = plan.rows * plan.runs;
  const size_t tile_blocks = kBlockLanes / plan.runs;
  const size_t tile_weights = tile_blocks * block_weights;
  assert(cols % block_weights == 0 && weights.size() % cols == 0);
  assert(column_weights.empty() || column_weights.size() == cols);
  alignas(64) float columns[kBlockTileWeights];
  alignas(64) float padded[kBlockTileWeights];
  auto* bytes = reinterpret_cast<uint8_t*>(out);
  double error = 0;
  for (size_t at = 0; at < weights.size(); at += tile_weights) {
    const size_t count = std::min(tile_weights, weights.size() - at);
    const float* from = &weights[at];
    if (count < tile_weights) {
      std::memset(padded, 0, sizeof padded);
      std::memcpy(padded, from, count * sizeof(float));
      from = padded;
    }
    if (!column_weights.empty()) {
      std::memset(columns, 0, sizeof columns);
      for (size_t i = 0; i < count; i += block_weights) {
        std::memcpy(columns + i, &column_weights[(at + i) % cols],
                    block_weights * sizeof(float));
      }
    }
    error += HWY_DYNAMIC_DISPATCH(EncodeTileKernel)(
        plan, effort == BlockEffort::kBest, from,
        column_weights.empty() ? nullptr : columns, count / block_weights,
        bytes);
    bytes += count / block_weights * FactsOf(type).block_bytes;
  }
  return error;
}

}  // namespace ram
#endif  // HWY_ONCE
