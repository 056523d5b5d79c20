#include "ram/quantization/affine_kernels.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/quantization/affine_kernels.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "ram/quantization/affine_search-inl.h"
#include "ram/quantization/affine_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

void LoadTileKernel(const float* HWY_RESTRICT weights,
                    float* HWY_RESTRICT tile) {
  TransposeBlocks<float>(weights, kTileLanes, kTileRows, tile);
}

void StoreTileKernel(const float* HWY_RESTRICT tile,
                     float* HWY_RESTRICT weights) {
  TransposeBlocks<float>(tile, kTileRows, kTileLanes, weights);
}

// mlx/backend/cpu/quantized.cpp, quantize(): codes against the float pair by
// true division; the pair is cast afterwards.
HWY_INLINE void MinMaxLanes(const float* HWY_RESTRICT w, size_t rows,
                            float max_code, DType dtype,
                            uint32_t* HWY_RESTRICT codes, GroupTile& groups,
                            size_t slot) {
  const LaneTag d;
  V low = hn::Zero(d), high = hn::Zero(d);
  GroupRange(w, rows, low, high);
  V scale = hn::Zero(d), bias = hn::Zero(d);
  MinMaxPair(low, high, max_code, scale, bias);
  // A constant group above 3e31 has scale 0; all its codes are 0.
  const V zero = hn::Zero(d);
  const V divisor =
      hn::IfThenElse(hn::Eq(scale, zero), hn::Set(d, 1.0f), scale);
  const V stored_scale = RoundFinite(scale, dtype);
  const V stored_bias = RoundFinite(bias, dtype);
  const V size =
      hn::Max(hn::Max(hn::Abs(low), hn::Abs(high)), hn::Set(d, 0x1p-100f));
  const V per_size = hn::Div(hn::Set(d, 1.0f), size);
  const V n = hn::Set(d, max_code);
  const V magic = hn::Set(d, kRoundingMagic);
  V error = zero;
#pragma GCC unroll 4
  for (size_t row = 0; row < rows; ++row) {
    const V weight = hn::Load(d, w + row * kTileLanes);
    const V x = hn::Div(hn::Sub(weight, bias), divisor);
    const V biased = hn::Add(hn::Min(hn::Max(x, zero), n), magic);
    hn::Store(CodeBits(biased), DU(), codes + row * kTileLanes);
    const V code = hn::Sub(biased, magic);
    const V decoded = hn::Add(hn::Mul(stored_scale, code), stored_bias);
    const V part = hn::Mul(hn::Sub(weight, decoded), per_size);
    error = hn::Add(error, hn::Mul(part, part));
  }
  hn::Store(stored_scale, d, groups.scales + slot);
  hn::Store(stored_bias, d, groups.biases + slot);
  hn::Store(size, d, groups.units + slot);
  hn::Store(error, d, groups.errors + slot);
}

void ChooseMinMaxKernel(const Scheme& scheme, DType dtype,
                        const WeightTile& tile, GroupTile& groups,
                        CodeTile& codes) {
  const size_t rows = static_cast<size_t>(scheme.group_size);
  const float max_code = static_cast<float>((1 << scheme.bits) - 1);
  for (size_t k = 0; k < kTileRows / rows; ++k) {
    for (size_t lane = 0; lane < kTileLanes; lane += hn::Lanes(LaneTag())) {
      const size_t first = k * rows * kTileLanes + lane;
      MinMaxLanes(tile.weights + first, rows, max_code, dtype,
                  codes.codes + first, groups, k * kTileLanes + lane);
    }
  }
}

void PrepareSearchKernel(size_t rows, const WeightTile& tile,
                         SearchTile& search) {
  for (size_t k = 0; k < kTileRows / rows; ++k) {
    for (size_t lane = 0; lane < kTileLanes; lane += hn::Lanes(LaneTag())) {
      const size_t first = k * rows * kTileLanes + lane;
      PrepareLanes(tile.weights + first, rows, search.importance + first,
                   search, k * kTileLanes + lane);
    }
  }
}

template <bool kWeighed>
HWY_INLINE void SearchGroups(const Scheme& scheme, DType dtype,
                             const WeightTile& tile, const SearchTile& search,
                             GroupTile& groups) {
  const SearchPlan& plan = SearchPlanFor(scheme.bits);
  const float max_code = static_cast<float>((1 << scheme.bits) - 1);
  const size_t rows = static_cast<size_t>(scheme.group_size);
  for (size_t k = 0; k < kTileRows / rows; ++k) {
    for (size_t lane = 0; lane < kTileLanes; lane += hn::Lanes(LaneTag())) {
      const size_t first = k * rows * kTileLanes + lane;
      SearchLanes<kWeighed>(plan,
                            {tile.weights + first, search.importance + first,
                             rows, max_code, dtype},
                            search, groups, k * kTileLanes + lane);
    }
  }
}

void SearchPairsKernel(const Scheme& scheme, DType dtype,
                       const WeightTile& tile, const SearchTile& search,
                       GroupTile& groups) {
  if (WeighsErrors(scheme.bits)) {
    SearchGroups<true>(scheme, dtype, tile, search, groups);
  } else {
    SearchGroups<false>(scheme, dtype, tile, search, groups);
  }
}

void RoundToPairsKernel(const Scheme& scheme, const WeightTile& tile,
                        const GroupTile& groups, CodeTile& codes) {
  const LaneTag d;
  const size_t rows = static_cast<size_t>(scheme.group_size);
  const V n = hn::Set(d, static_cast<float>((1 << scheme.bits) - 1));
  for (size_t k = 0; k < kTileRows / rows; ++k) {
    for (size_t lane = 0; lane < kTileLanes; lane += hn::Lanes(d)) {
      V inverse = hn::Zero(d), offset = hn::Zero(d);
      CodeMap(hn::Load(d, groups.scales + k * kTileLanes + lane),
              hn::Load(d, groups.biases + k * kTileLanes + lane), inverse,
              offset);
      const size_t first = k * rows * kTileLanes + lane;
#pragma GCC unroll 4
      for (size_t row = 0; row < rows; ++row) {
        const size_t at = first + row * kTileLanes;
        const V x =
            PlaceOnGrid(hn::Load(d, tile.weights + at), inverse, offset);
        hn::Store(CodeBits(BiasedCode(x, n)), DU(), codes.codes + at);
      }
    }
  }
}

void ApplyPairsKernel(const Scheme& scheme, const CodeTile& codes,
                      const GroupTile& groups, WeightTile& tile) {
  const LaneTag d;
  const hn::RebindToSigned<LaneTag> di;
  const size_t rows = static_cast<size_t>(scheme.group_size);
  for (size_t k = 0; k < kTileRows / rows; ++k) {
    for (size_t lane = 0; lane < kTileLanes; lane += hn::Lanes(d)) {
      const V scale = hn::Load(d, groups.scales + k * kTileLanes + lane);
      const V bias = hn::Load(d, groups.biases + k * kTileLanes + lane);
      const size_t first = k * rows * kTileLanes + lane;
#pragma GCC unroll 4
      for (size_t row = 0; row < rows; ++row) {
        const size_t at = first + row * kTileLanes;
        const V code =
            hn::ConvertTo(d, hn::BitCast(di, hn::Load(DU(), codes.codes + at)));
        hn::Store(hn::Add(hn::Mul(scale, code), bias), d, tile.weights + at);
      }
    }
  }
}

void PackCodesKernel(int bits, const uint32_t* HWY_RESTRICT codes,
                     uint32_t* HWY_RESTRICT words) {
  HWY_ALIGN uint32_t columns[kTileMaxWords];  // [word][lane]
  const size_t block_words = static_cast<size_t>(bits);
  for (size_t block = 0; block < kTileRows / 32; ++block) {
    for (size_t lane = 0; lane < kTileLanes; lane += hn::Lanes(DU())) {
      PackLanes(bits, codes + block * 32 * kTileLanes + lane,
                columns + block * block_words * kTileLanes + lane);
    }
  }
  TransposeBlocks<uint32_t>(columns, 4 * block_words, kTileLanes, words);
}

void UnpackCodesKernel(int bits, const uint32_t* HWY_RESTRICT words,
                       uint32_t* HWY_RESTRICT codes) {
  HWY_ALIGN uint32_t columns[kTileMaxWords];
  const size_t block_words = static_cast<size_t>(bits);
  TransposeBlocks<uint32_t>(words, kTileLanes, 4 * block_words, columns);
  for (size_t block = 0; block < kTileRows / 32; ++block) {
    for (size_t lane = 0; lane < kTileLanes; lane += hn::Lanes(DU())) {
      UnpackLanes(bits, columns + block * block_words * kTileLanes + lane,
                  codes + block * 32 * kTileLanes + lane);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {

HWY_EXPORT(LoadTileKernel);
HWY_EXPORT(StoreTileKernel);
HWY_EXPORT(ChooseMinMaxKernel);
HWY_EXPORT(PrepareSearchKernel);
HWY_EXPORT(SearchPairsKernel);
HWY_EXPORT(RoundToPairsKernel);
HWY_EXPORT(ApplyPairsKernel);
HWY_EXPORT(PackCodesKernel);
HWY_EXPORT(UnpackCodesKernel);

void LoadTile(const float* weights, WeightTile& tile) {
  HWY_DYNAMIC_DISPATCH(LoadTileKernel)(weights, tile.weights);
}
void StoreTile(const WeightTile& tile, float* weights) {
  HWY_DYNAMIC_DISPATCH(StoreTileKernel)(tile.weights, weights);
}
void ChooseMinMax(const Scheme& scheme, DType scale_dtype,
                  const WeightTile& tile, GroupTile& groups, CodeTile& codes) {
  HWY_DYNAMIC_DISPATCH(ChooseMinMaxKernel)
  (scheme, scale_dtype, tile, groups, codes);
}
void PrepareSearch(size_t group_size, const WeightTile& tile,
                   SearchTile& search) {
  HWY_DYNAMIC_DISPATCH(PrepareSearchKernel)(group_size, tile, search);
}
void SearchPairs(const Scheme& scheme, DType scale_dtype,
                 const WeightTile& tile, const SearchTile& search,
                 GroupTile& groups) {
  HWY_DYNAMIC_DISPATCH(SearchPairsKernel)
  (scheme, scale_dtype, tile, search, groups);
}
void RoundToPairs(const Scheme& scheme, const WeightTile& tile,
                  const GroupTile& groups, CodeTile& codes) {
  HWY_DYNAMIC_DISPATCH(RoundToPairsKernel)(scheme, tile, groups, codes);
}
void ApplyPairs(const Scheme& scheme, const CodeTile& codes,
                const GroupTile& groups, WeightTile& tile) {
  HWY_DYNAMIC_DISPATCH(ApplyPairsKernel)(scheme, codes, groups, tile);
}
void PackCodes(int bits, const CodeTile& codes, uint32_t* words) {
  HWY_DYNAMIC_DISPATCH(PackCodesKernel)(bits, codes.codes, words);
}
void UnpackCodes(int bits, const uint32_t* words, CodeTile& codes) {
  HWY_DYNAMIC_DISPATCH(UnpackCodesKernel)(bits, words, codes.codes);
}

}  // namespace ram
#endif  // HWY_ONCE
