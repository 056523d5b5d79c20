// A tile of weights: 16 groups of 128 consecutive weights, as they lie in the
// rows and transposed so that a lane is a group.

// Include guard per SIMD target.
#if defined(RAM_ANALYSIS_WEIGHT_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RAM_ANALYSIS_WEIGHT_TILE_INL_H_
#undef RAM_ANALYSIS_WEIGHT_TILE_INL_H_
#else
#define RAM_ANALYSIS_WEIGHT_TILE_INL_H_
#endif

#include <hwy/highway.h>

#include <cstring>

#include "ram/tensor/convert.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

constexpr size_t kLanes = 16;
constexpr size_t kGroup = 128;

// At most 16 lanes at a time; the loops over lanes make up for fewer.
using LaneTag = hn::CappedTag<float, kLanes>;

struct Bf16Weights {
  static constexpr size_t kBytes = 2;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* in) {
    const hn::Rebind<uint16_t, D> d16;
    const hn::RebindToUnsigned<D> d32;
    const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(in));
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
  }
  static float LoadOne(const std::byte* in) {
    uint16_t bits;
    std::memcpy(&bits, in, sizeof bits);
    return BF16ToFloat(bits);
  }
};

struct F16Weights {
  static constexpr size_t kBytes = 2;
  // Integer operations only: Highway's own conversion varies by target.
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* in) {
    const hn::Rebind<uint16_t, D> d16;
    const hn::RebindToUnsigned<D> d32;
    const auto bits = hn::PromoteTo(
        d32, hn::LoadU(d16, reinterpret_cast<const uint16_t*>(in)));
    const auto magnitude = hn::And(bits, hn::Set(d32, 0x7FFFu));
    const auto sign = hn::ShiftLeft<16>(hn::And(bits, hn::Set(d32, 0x8000u)));
    // The exponent is 112 too small; the product is exact, subnormals too.
    const auto value = hn::Mul(hn::BitCast(d, hn::ShiftLeft<13>(magnitude)),
                               hn::Set(d, 0x1p112f));
    const auto special = hn::Gt(magnitude, hn::Set(d32, 0x7BFFu));
    const auto exponent =
        hn::IfThenElseZero(special, hn::Set(d32, 0x7F800000u));
    return hn::BitCast(d,
                       hn::Or(hn::Or(hn::BitCast(d32, value), exponent), sign));
  }
  static float LoadOne(const std::byte* in) {
    uint16_t bits;
    std::memcpy(&bits, in, sizeof bits);
    return F16ToFloat(bits);
  }
};

struct F32Weights {
  static constexpr size_t kBytes = 4;
  template <class D>
  static HWY_INLINE hn::Vec<D> Load(D d, const std::byte* in) {
    return hn::LoadU(d, reinterpret_cast<const float*>(in));
  }
  static float LoadOne(const std::byte* in) {
    float value;
    std::memcpy(&value, in, sizeof value);
    return value;
  }
};

// n weights of one row to floats at `out` (128 of them, zeros at the end), and
// into the sums of their columns where wanted.
template <class Weights, bool kSigned>
HWY_INLINE void LoadGroup(const std::byte* in, size_t n, float sign,
                          float* HWY_RESTRICT out, float* HWY_RESTRICT squares,
                          float* HWY_RESTRICT signed_sums) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  const auto signs = hn::Set(d, sign);
  size_t i = 0;
  for (; i + lanes <= n; i += lanes) {
    const auto w = Weights::Load(d, in + i * Weights::kBytes);
    hn::Store(w, d, out + i);
    if (squares) {
      hn::StoreU(hn::Add(hn::LoadU(d, squares + i), hn::Mul(w, w)), d,
                 squares + i);
    }
    if constexpr (kSigned) {
      hn::StoreU(hn::Add(hn::LoadU(d, signed_sums + i), hn::Mul(w, signs)), d,
                 signed_sums + i);
    }
  }
  for (; i < n; ++i) {
    const float w = Weights::LoadOne(in + i * Weights::kBytes);
    out[i] = w;
    if (squares) squares[i] += w * w;
    if constexpr (kSigned) signed_sums[i] += w * sign;
  }
  for (; i < kGroup; ++i) out[i] = 0.0f;
}

// [16][128] -> [128][16] by blocks of 4 x 4.
HWY_INLINE void TransposeTile(const float* HWY_RESTRICT in,
                              float* HWY_RESTRICT out) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t lane = 0; lane < kLanes; ++lane) {
    for (size_t j = 0; j < kGroup; ++j) {
      out[j * kLanes + lane] = in[lane * kGroup + j];
    }
  }
#else
  const hn::FixedTag<float, 4> d;
  const hn::Repartition<double, decltype(d)> dd;
  for (size_t lane = 0; lane < kLanes; lane += 4) {
    const float* HWY_RESTRICT row = in + lane * kGroup;
    for (size_t j = 0; j < kGroup; j += 4) {
      const auto a = hn::Load(d, row + j);
      const auto b = hn::Load(d, row + kGroup + j);
      const auto c = hn::Load(d, row + 2 * kGroup + j);
      const auto e = hn::Load(d, row + 3 * kGroup + j);
      const auto ab01 = hn::BitCast(dd, hn::InterleaveLower(d, a, b));
      const auto ab23 = hn::BitCast(dd, hn::InterleaveUpper(d, a, b));
      const auto ce01 = hn::BitCast(dd, hn::InterleaveLower(d, c, e));
      const auto ce23 = hn::BitCast(dd, hn::InterleaveUpper(d, c, e));
      float* HWY_RESTRICT to = out + j * kLanes + lane;
      hn::Store(hn::BitCast(d, hn::InterleaveLower(dd, ab01, ce01)), d, to);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(dd, ab01, ce01)), d,
                to + kLanes);
      hn::Store(hn::BitCast(d, hn::InterleaveLower(dd, ab23, ce23)), d,
                to + 2 * kLanes);
      hn::Store(hn::BitCast(d, hn::InterleaveUpper(dd, ab23, ce23)), d,
                to + 3 * kLanes);
    }
  }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif  // RAM_ANALYSIS_WEIGHT_TILE_INL_H_
