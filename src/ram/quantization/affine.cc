#include "ram/quantization/affine.h"

#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstring>

#include "ram/quantization/affine_kernels.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

// Words go to the file as they lie in memory.
static_assert(std::endian::native == std::endian::little);

// The part of a matrix that one tile covers. Groups do not care where rows
// end, so a matrix is one long run of groups; the last tile may be partial.
struct TileRange {
  size_t weights;       // first weight
  size_t weight_count;  // up to kTileWeights
};

// The tile of `range`, absent weights as zeros.
void LoadRange(std::span<const float> weights, const TileRange& range,
               WeightTile& tile) {
  const float* begin = weights.data() + range.weights;
  if (range.weight_count == kTileWeights) return LoadTile(begin, tile);
  std::array<float, kTileWeights> padded = {};
  std::copy_n(begin, range.weight_count, padded.begin());
  LoadTile(padded.data(), tile);
}

// Where group `group` of a tile lies in a GroupTile.
size_t GroupSlot(const Scheme& scheme, size_t group) {
  const size_t per_lane = kTileRows / static_cast<size_t>(scheme.group_size);
  return group % per_lane * kTileLanes + group / per_lane;
}

double SumErrors(const Scheme& scheme, const GroupTile& groups, size_t count) {
  double sum = 0;
  for (size_t group = 0; group < count; ++group) {
    const size_t slot = GroupSlot(scheme, group);
    const double unit = groups.units[slot];
    sum += unit * unit * groups.errors[slot];
  }
  return sum;
}

void StorePairs(const Scheme& scheme, DType dtype, const GroupTile& groups,
                size_t count, std::byte* scales, std::byte* biases) {
  std::array<float, kTileMaxGroups> scale_row;
  std::array<float, kTileMaxGroups> bias_row;
  for (size_t group = 0; group < count; ++group) {
    const size_t slot = GroupSlot(scheme, group);
    scale_row[group] = groups.scales[slot];
    bias_row[group] = groups.biases[slot];
  }
  FromFloat(dtype, {scale_row.data(), count}, scales);
  FromFloat(dtype, {bias_row.data(), count}, biases);
}

void LoadPairs(const Scheme& scheme, DType dtype, const std::byte* scales,
               const std::byte* biases, size_t count, GroupTile& groups) {
  std::array<float, kTileMaxGroups> scale_row;
  std::array<float, kTileMaxGroups> bias_row;
  ToFloat(dtype, scales, {scale_row.data(), count});
  ToFloat(dtype, biases, {bias_row.data(), count});
  for (size_t group = 0; group < count; ++group) {
    const size_t slot = GroupSlot(scheme, group);
    groups.scales[slot] = scale_row[group];
    groups.biases[slot] = bias_row[group];
  }
}

size_t CodeBytes(const Scheme& scheme, size_t weights) {
  return weights * static_cast<size_t>(scheme.bits) / 8;
}

template <typename Body>
void ForEachTile(size_t weights, const Body& body) {
  for (size_t begin = 0; begin < weights; begin += kTileWeights) {
    body(TileRange{begin, std::min(kTileWeights, weights - begin)});
  }
}

}  // namespace

uint64_t AffineCodeBytes(const Scheme& scheme, uint64_t cols) {
  return cols * static_cast<uint64_t>(scheme.bits) / 8;
}

uint64_t AffineScaleBytes(const Scheme& scheme, uint64_t cols) {
  return 2 * (cols / static_cast<uint64_t>(scheme.group_size));
}

double EncodeAffine(const Scheme& scheme, Encoder encoder, DType scale_dtype,
                    std::span<const float> weights,
                    [[maybe_unused]] uint64_t cols, const AffineOutput& out) {
  assert(SchemeFits(scheme, cols) && weights.size() % cols == 0);
  const size_t group_size = static_cast<size_t>(scheme.group_size);
  WeightTile tile;
  SearchTile search;
  GroupTile groups;
  CodeTile codes;
  std::array<uint32_t, kTileMaxWords> words;
  double error = 0;
  ForEachTile(weights.size(), [&](const TileRange& range) {
    LoadRange(weights, range, tile);
    if (encoder == Encoder::kMinMax) {
      ChooseMinMax(scheme, scale_dtype, tile, groups, codes);
    } else {
      PrepareSearch(group_size, tile, search);
      SearchPairs(scheme, scale_dtype, tile, search, groups);
      RoundToPairs(scheme, tile, groups, codes);
    }
    const size_t first = range.weights / group_size;
    const size_t count = range.weight_count / group_size;
    PackCodes(scheme.bits, codes, words.data());
    std::memcpy(out.codes.data() + CodeBytes(scheme, range.weights),
                words.data(), CodeBytes(scheme, range.weight_count));
    StorePairs(scheme, scale_dtype, groups, count,
               out.scales.data() + 2 * first, out.biases.data() + 2 * first);
    error += SumErrors(scheme, groups, count);
  });
  return error;
}

void MeasureAffineSearch(std::span<const Scheme> schemes, DType scale_dtype,
                         std::span<const float> weights,
                         [[maybe_unused]] uint64_t cols,
                         std::span<double> squared_errors) {
  assert(squared_errors.size() == schemes.size());
  WeightTile tile;
  SearchTile search;
  GroupTile groups;
  std::fill(squared_errors.begin(), squared_errors.end(), 0.0);
  ForEachTile(weights.size(), [&](const TileRange& range) {
    LoadRange(weights, range, tile);
    for (const int group : kAffineGroups) {
      const size_t group_size = static_cast<size_t>(group);
      bool prepared = false;
      for (size_t i = 0; i < schemes.size(); ++i) {
        if (schemes[i].group_size != group) continue;
        assert(SchemeFits(schemes[i], cols));
        if (!prepared) PrepareSearch(group_size, tile, search);
        prepared = true;
        SearchPairs(schemes[i], scale_dtype, tile, search, groups);
        squared_errors[i] +=
            SumErrors(schemes[i], groups, range.weight_count / group_size);
      }
    }
  });
}

void DecodeAffine(const Scheme& scheme, DType scale_dtype,
                  const AffineInput& in, [[maybe_unused]] uint64_t cols,
                  std::span<float> weights) {
  assert(SchemeFits(scheme, cols) && weights.size() % cols == 0);
  const size_t group_size = static_cast<size_t>(scheme.group_size);
  WeightTile tile;
  GroupTile groups = {};
  CodeTile codes;
  std::array<uint32_t, kTileMaxWords> words = {};
  std::array<float, kTileWeights> padded;
  ForEachTile(weights.size(), [&](const TileRange& range) {
    const size_t first = range.weights / group_size;
    std::memcpy(words.data(),
                in.codes.data() + CodeBytes(scheme, range.weights),
                CodeBytes(scheme, range.weight_count));
    LoadPairs(scheme, scale_dtype, in.scales.data() + 2 * first,
              in.biases.data() + 2 * first, range.weight_count / group_size,
              groups);
    UnpackCodes(scheme.bits, words.data(), codes);
    ApplyPairs(scheme, codes, groups, tile);
    if (range.weight_count == kTileWeights) {
      StoreTile(tile, weights.data() + range.weights);
      return;
    }
    StoreTile(tile, padded.data());
    std::copy_n(padded.begin(), range.weight_count,
                weights.begin() + static_cast<std::ptrdiff_t>(range.weights));
  });
}

}  // namespace ram
