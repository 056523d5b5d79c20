// Activations rounded to 16 bits, for kernels that multiply integers. Once per
// SIMD target.
#if defined(RAM_QUANTIZATION_ROUNDED_ACTIVATIONS_INL_H_) == \
    defined(HWY_TARGET_TOGGLE)
#ifdef RAM_QUANTIZATION_ROUNDED_ACTIVATIONS_INL_H_
#undef RAM_QUANTIZATION_ROUNDED_ACTIVATIONS_INL_H_
#else
#define RAM_QUANTIZATION_ROUNDED_ACTIVATIONS_INL_H_
#endif

#include <hwy/highway.h>

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Activation i of a run is about step * out[i]; sum: of out.
struct Rounded {
  float step;
  int32_t sum;
};

// The largest magnitude of the run becomes 32767, so that each activation is
// off by at most 2^-16 of it. A run with a NaN or an infinity gets the step
// NaN, one of numbers below 1e-30 the step 0. count: a multiple of 16.
HWY_INLINE Rounded RoundTo16Bits(const float* HWY_RESTRICT x, size_t count,
                                 int16_t* HWY_RESTRICT out) {
  constexpr float kTiny = 1e-30f, kMost = 32767.0f;
  const hn::CappedTag<float, 16> d;
  const hn::RebindToUnsigned<decltype(d)> du;
  const hn::RebindToSigned<decltype(d)> di;
  const hn::Rebind<int16_t, decltype(d)> d16;
  // Bits of magnitudes are ordered as the magnitudes are, NaN above all.
  auto top = hn::Zero(du);
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    top = hn::Max(top, hn::BitCast(du, hn::Abs(hn::LoadU(d, x + i))));
  }
  const uint32_t bits = hn::GetLane(hn::MaxOfLanes(du, top));
  float largest;
  std::memcpy(&largest, &bits, sizeof largest);
  const bool finite = largest <= std::numeric_limits<float>::max();
  const bool counts = finite && largest >= kTiny;
  const auto factor = hn::Set(d, counts ? kMost / largest : 0.0f);
  auto sum = hn::Zero(di);
  for (size_t i = 0; i < count; i += hn::Lanes(d)) {
    auto rounded = hn::Zero(di);
    if (counts) rounded = hn::NearestInt(hn::Mul(hn::LoadU(d, x + i), factor));
    sum = hn::Add(sum, rounded);
    hn::StoreU(hn::DemoteTo(d16, rounded), d16, out + i);
  }
  const float step =
      finite ? largest / kMost : std::numeric_limits<float>::quiet_NaN();
  return {counts || !finite ? step : 0.0f,
          hn::GetLane(hn::SumOfLanes(di, sum))};
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif
