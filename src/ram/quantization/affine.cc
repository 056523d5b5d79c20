#include "ram/quantization/affine.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "ram/quantization/tile_range.h"

namespace ram {

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
    const size_t first = range.first_group(scheme);
    const size_t count = range.groups(scheme);
    PackCodes(scheme.bits, codes, words.data());
    std::memcpy(out.codes.data() + CodeBytes(scheme, range.weights),
                words.data(), CodeBytes(scheme, range.weight_count));
    StoreGroups(scheme, scale_dtype, groups.scales, count,
                out.scales.data() + 2 * first);
    StoreGroups(scheme, scale_dtype, groups.biases, count,
                out.biases.data() + 2 * first);
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
  WeightTile tile;
  GroupTile groups = {};
  CodeTile codes;
  std::array<uint32_t, kTileMaxWords> words = {};
  ForEachTile(weights.size(), [&](const TileRange& range) {
    const size_t first = range.first_group(scheme);
    const size_t count = range.groups(scheme);
    std::memcpy(words.data(),
                in.codes.data() + CodeBytes(scheme, range.weights),
                CodeBytes(scheme, range.weight_count));
    LoadGroups(scheme, scale_dtype, in.scales.data() + 2 * first, count,
               groups.scales);
    LoadGroups(scheme, scale_dtype, in.biases.data() + 2 * first, count,
               groups.biases);
    UnpackCodes(scheme.bits, words.data(), codes);
    ApplyPairs(scheme, codes, groups, tile);
    StoreRange(tile, range, weights);
  });
}

}  // namespace ram
