#include "ram/quantization/packed_int.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cstring>

#include "ram/quantization/packed_int_kernels.h"
#include "ram/quantization/tile_range.h"

namespace ram {
namespace {

// The scales of a tile's groups; with the min-max encoder also the codes.
void ChooseScales(const Scheme& scheme, Encoder encoder, DType scale_dtype,
                  const WeightTile& tile, const SearchTile& search,
                  GroupTile& groups, CodeTile& codes) {
  if (encoder == Encoder::kMinMax) {
    ChooseIntMinMax(scheme, scale_dtype, tile, groups, codes);
  } else {
    SearchIntScales(scheme, scale_dtype, tile, search, groups);
  }
}

}  // namespace

uint64_t PackedIntCodeBytes(const Scheme& scheme, uint64_t cols) {
  return cols * static_cast<uint64_t>(scheme.bits) / 8;
}

uint64_t PackedIntScaleBytes(const Scheme& scheme, uint64_t cols) {
  return 2 * (cols / static_cast<uint64_t>(scheme.group_size));
}

double EncodePackedInt(const Scheme& scheme, Encoder encoder, DType scale_dtype,
                       std::span<const float> weights,
                       [[maybe_unused]] uint64_t cols,
                       const PackedIntOutput& out) {
  assert(SchemeFits(scheme, cols) && weights.size() % cols == 0);
  WeightTile tile;
  SearchTile search;
  GroupTile groups;
  CodeTile codes;
  std::array<uint32_t, kTileMaxWords> words;
  double error = 0;
  ForEachTile(weights.size(), [&](const TileRange& range) {
    LoadRange(weights, range, tile);
    if (encoder == Encoder::kSearch) {
      PrepareSearch(static_cast<size_t>(scheme.group_size), tile, search);
    }
    ChooseScales(scheme, encoder, scale_dtype, tile, search, groups, codes);
    if (encoder == Encoder::kSearch) RoundToPairs(scheme, tile, groups, codes);
    PackCodes(scheme.bits, codes, words.data());
    std::memcpy(out.codes.data() + CodeBytes(scheme, range.weights),
                words.data(), CodeBytes(scheme, range.weight_count));
    StoreGroups(scheme, scale_dtype, groups.scales, range.groups(scheme),
                out.scales.data() + 2 * range.first_group(scheme));
    error += SumErrors(scheme, groups, range.groups(scheme));
  });
  return error;
}

void MeasurePackedInt(std::span<const Scheme> schemes, Encoder encoder,
                      DType scale_dtype, std::span<const float> weights,
                      [[maybe_unused]] uint64_t cols,
                      std::span<double> squared_errors) {
  assert(squared_errors.size() == schemes.size());
  WeightTile tile;
  SearchTile search;
  GroupTile groups;
  CodeTile codes;
  std::fill(squared_errors.begin(), squared_errors.end(), 0.0);
  ForEachTile(weights.size(), [&](const TileRange& range) {
    LoadRange(weights, range, tile);
    int prepared = 0;  // group size
    for (size_t i = 0; i < schemes.size(); ++i) {
      const Scheme& scheme = schemes[i];
      assert(SchemeFits(scheme, cols));
      if (encoder == Encoder::kSearch && scheme.group_size != prepared) {
        PrepareSearch(static_cast<size_t>(scheme.group_size), tile, search);
        prepared = scheme.group_size;
      }
      ChooseScales(scheme, encoder, scale_dtype, tile, search, groups, codes);
      squared_errors[i] += SumErrors(scheme, groups, range.groups(scheme));
    }
  });
}

void DecodePackedInt(const Scheme& scheme, DType scale_dtype,
                     const PackedIntInput& in, [[maybe_unused]] uint64_t cols,
                     std::span<float> weights) {
  assert(SchemeFits(scheme, cols) && weights.size() % cols == 0);
  const float zero_code = static_cast<float>(1 << (scheme.bits - 1));
  WeightTile tile;
  GroupTile groups = {};
  CodeTile codes;
  std::array<uint32_t, kTileMaxWords> words = {};
  ForEachTile(weights.size(), [&](const TileRange& range) {
    std::memcpy(words.data(),
                in.codes.data() + CodeBytes(scheme, range.weights),
                CodeBytes(scheme, range.weight_count));
    LoadGroups(scheme, scale_dtype,
               in.scales.data() + 2 * range.first_group(scheme),
               range.groups(scheme), groups.scales);
    for (size_t i = 0; i < kTileMaxGroups; ++i) {
      groups.biases[i] = -zero_code * groups.scales[i];
    }
    UnpackCodes(scheme.bits, words.data(), codes);
    ApplyPairs(scheme, codes, groups, tile);
    StoreRange(tile, range, weights);
  });
}

}  // namespace ram
