// SIMD kernels of the affine codec. They work on tiles of 16 x 128 weights
// that lie transposed, so that each SIMD lane holds its own run of 128
// weights: every sum over a group is vertical, and no result depends on the
// vector width.
//
// Groups in a tile: lane l, rows [k * G, (k + 1) * G) hold the tile's group
// l * (128 / G) + k, in the order of the weights. Per-group results are
// stored [k][l].
#pragma once

#include <cstddef>
#include <cstdint>

#include "ram/quantization/scheme.h"
#include "ram/tensor/dtype.h"

namespace ram {

inline constexpr size_t kTileLanes = 16;
inline constexpr size_t kTileRows = 128;
inline constexpr size_t kTileWeights = kTileLanes * kTileRows;
// At the smallest group size, 32.
inline constexpr size_t kTileMaxGroups = kTileWeights / 32;
// At the largest width, 8 bits.
inline constexpr size_t kTileMaxWords = kTileWeights / 4;

struct WeightTile {
  alignas(64) float weights[kTileWeights];  // [row][lane]
};

// What is chosen for each group of a tile.
struct GroupTile {
  alignas(64) float scales[kTileMaxGroups];  // exact in the stored dtype
  alignas(64) float biases[kTileMaxGroups];
  // The group's squared error is units^2 * errors: no overflow in float.
  alignas(64) float units[kTileMaxGroups];
  alignas(64) float errors[kTileMaxGroups];
};

// What the search for any width needs to know of a tile's groups.
struct SearchTile {
  alignas(64) float importance[kTileWeights];  // [row][lane]
  alignas(64) float importance_sums[kTileMaxGroups];
  alignas(64) float lows[kTileMaxGroups];
  alignas(64) float highs[kTileMaxGroups];
};

struct CodeTile {
  alignas(64) uint32_t codes[kTileWeights];  // [row][lane]
};

// 16 x 128 weights, one run of 128 after the other -> tile, and back.
void LoadTile(const float* weights, WeightTile& tile);
void StoreTile(const WeightTile& tile, float* weights);

// MLX's own choice. scale_dtype is F16 or BF16.
void ChooseMinMax(const Scheme& scheme, DType scale_dtype,
                  const WeightTile& tile, GroupTile& groups, CodeTile& codes);
void PrepareSearch(size_t group_size, const WeightTile& tile,
                   SearchTile& search);
// The pair with the least weighed squared error that the search meets;
// `search` was prepared for the group size of `scheme`.
void SearchPairs(const Scheme& scheme, DType scale_dtype,
                 const WeightTile& tile, const SearchTile& search,
                 GroupTile& groups);
// The nearest codes for given pairs.
void RoundToPairs(const Scheme& scheme, const WeightTile& tile,
                  const GroupTile& groups, CodeTile& codes);
// weight = scale * code + bias.
void ApplyPairs(const Scheme& scheme, const CodeTile& codes,
                const GroupTile& groups, WeightTile& tile);

// words: 64 * bits of them, in the order of the weights.
void PackCodes(int bits, const CodeTile& codes, uint32_t* words);
void UnpackCodes(int bits, const uint32_t* words, CodeTile& codes);

}  // namespace ram
