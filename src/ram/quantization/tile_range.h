// A matrix in tiles, and groups in the order of its weights: what the affine
// and the integer codec do alike around their kernels (affine_kernels.h).
#pragma once

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <span>

#include "ram/quantization/affine_kernels.h"
#include "ram/quantization/scheme.h"
#include "ram/tensor/convert.h"

namespace ram {

// Words go to the file as they lie in memory.
static_assert(std::endian::native == std::endian::little);

// The part of a matrix that one tile covers. Groups do not care where rows
// end, so a matrix is one long run of groups; the last tile may be partial.
struct TileRange {
  size_t weights;       // first weight
  size_t weight_count;  // up to kTileWeights

  size_t first_group(const Scheme& scheme) const {
    return weights / static_cast<size_t>(scheme.group_size);
  }
  size_t groups(const Scheme& scheme) const {
    return weight_count / static_cast<size_t>(scheme.group_size);
  }
};

// body(TileRange) for each tile of a run of `weights` weights.
template <typename Body>
void ForEachTile(size_t weights, const Body& body) {
  for (size_t begin = 0; begin < weights; begin += kTileWeights) {
    body(TileRange{begin, std::min(kTileWeights, weights - begin)});
  }
}

// The tile of `range`, absent weights as zeros.
inline void LoadRange(std::span<const float> weights, const TileRange& range,
                      WeightTile& tile) {
  const float* begin = weights.data() + range.weights;
  if (range.weight_count == kTileWeights) return LoadTile(begin, tile);
  std::array<float, kTileWeights> padded = {};
  std::copy_n(begin, range.weight_count, padded.begin());
  LoadTile(padded.data(), tile);
}

// And back.
inline void StoreRange(const WeightTile& tile, const TileRange& range,
                       std::span<float> weights) {
  float* begin = weights.data() + range.weights;
  if (range.weight_count == kTileWeights) return StoreTile(tile, begin);
  std::array<float, kTileWeights> padded;
  StoreTile(tile, padded.data());
  std::copy_n(padded.begin(), range.weight_count, begin);
}

// Where group `group` of a tile lies in a GroupTile.
inline size_t GroupSlot(const Scheme& scheme, size_t group) {
  const size_t per_lane = kTileRows / static_cast<size_t>(scheme.group_size);
  return group % per_lane * kTileLanes + group / per_lane;
}

// The squared errors of the tile's first `count` groups, in their order.
inline double SumErrors(const Scheme& scheme, const GroupTile& groups,
                        size_t count) {
  double sum = 0;
  for (size_t group = 0; group < count; ++group) {
    const size_t slot = GroupSlot(scheme, group);
    const double unit = groups.units[slot];
    sum += unit * unit * groups.errors[slot];
  }
  return sum;
}

// One number a group (GroupTile::scales or biases) as stored 16-bit floats in
// the order of the groups, and back.
inline void StoreGroups(const Scheme& scheme, DType dtype, const float* tile,
                        size_t count, std::byte* out) {
  std::array<float, kTileMaxGroups> row;
  for (size_t group = 0; group < count; ++group) {
    row[group] = tile[GroupSlot(scheme, group)];
  }
  FromFloat(dtype, {row.data(), count}, out);
}
inline void LoadGroups(const Scheme& scheme, DType dtype, const std::byte* in,
                       size_t count, float* tile) {
  std::array<float, kTileMaxGroups> row;
  ToFloat(dtype, in, {row.data(), count});
  for (size_t group = 0; group < count; ++group) {
    tile[GroupSlot(scheme, group)] = row[group];
  }
}

inline size_t CodeBytes(const Scheme& scheme, size_t weights) {
  return weights * static_cast<size_t>(scheme.bits) / 8;
}

}  // namespace ram
