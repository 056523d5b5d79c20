// Squared errors of min-max rounding over the groups of a transposed tile, one
// group per lane.

// Include guard per SIMD target.
#if defined(RAM_ANALYSIS_AFFINE_ERROR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef RAM_ANALYSIS_AFFINE_ERROR_INL_H_
#undef RAM_ANALYSIS_AFFINE_ERROR_INL_H_
#else
#define RAM_ANALYSIS_AFFINE_ERROR_INL_H_
#endif

#include <hwy/highway.h>

#include "ram/analysis/weight_tile-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

// 2, 3, 4, 5, 6, 8 bits.
constexpr float kTopCodes[6] = {3, 7, 15, 31, 63, 255};

// How a group of each lane is rounded, per bit width.
struct AffineParameters {
  alignas(64) float step[6][kLanes];     // the scale before the cast
  alignas(64) float inverse[6][kLanes];  // 1 / step
  alignas(64) float scale[6][kLanes];    // after the cast
  alignas(64) float bias[kLanes];        // before the cast
  alignas(64) float cast_bias[kLanes];
};

struct ToBf16 {
  template <class D>
  static HWY_INLINE hn::Vec<D> Cast(D d, hn::Vec<D> value) {
    const hn::RebindToUnsigned<D> d32;
    const auto bits = hn::BitCast(d32, value);
    const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d32, 1u));
    const auto sum = hn::Add(bits, hn::Add(odd, hn::Set(d32, 0x7FFFu)));
    return hn::BitCast(d, hn::And(sum, hn::Set(d32, 0xFFFF0000u)));
  }
};

// No overflow to infinity: values come from finite F16 weights.
struct ToF16 {
  template <class D>
  static HWY_INLINE hn::Vec<D> Cast(D d, hn::Vec<D> value) {
    const hn::RebindToUnsigned<D> d32;
    const auto bits = hn::BitCast(d32, value);
    const auto odd = hn::And(hn::ShiftRight<13>(bits), hn::Set(d32, 1u));
    const auto sum = hn::Add(bits, hn::Add(odd, hn::Set(d32, 0xFFFu)));
    const auto normal = hn::BitCast(d, hn::And(sum, hn::Set(d32, 0xFFFFE000u)));
    // Adding 0.5 puts the rounding where 2^-24, the subnormal step, is the
    // last bit.
    const auto half = hn::Set(d, 0.5f);
    const auto magnitude = hn::Abs(value);
    const auto subnormal =
        hn::CopySign(hn::Sub(hn::Add(magnitude, half), half), value);
    return hn::IfThenElse(hn::Lt(magnitude, hn::Set(d, 0x1p-14f)), subnormal,
                          normal);
  }
};

// MLX's own steps (docs/formats/mlx.md), groups with these extremes.
template <class CastTo, class D>
HWY_INLINE void SetParameters(D d, hn::Vec<D> low, hn::Vec<D> high, size_t lane,
                              AffineParameters& to) {
  const auto least = hn::Set(d, 1e-7f);
  const auto range = hn::Sub(high, low);
  const auto low_is_edge = hn::Gt(hn::Abs(low), hn::Abs(high));
  const auto edge = hn::IfThenElse(low_is_edge, low, high);
  auto bias = edge;
  for (size_t i = 0; i < 6; ++i) {
    const auto step = hn::Max(hn::Div(range, hn::Set(d, kTopCodes[i])), least);
    const auto start = hn::IfThenElse(low_is_edge, step, hn::Neg(step));
    const auto code = hn::Round(hn::Div(edge, start));
    const auto no_code = hn::Eq(code, hn::Zero(d));
    const auto scale = hn::IfThenElse(no_code, start, hn::Div(edge, code));
    // The same for every width: a code is zero only when the least step rules.
    bias = hn::IfThenElse(no_code, hn::Zero(d), edge);
    hn::Store(scale, d, to.step[i] + lane);
    hn::Store(hn::Div(hn::Set(d, 1.0f), scale), d, to.inverse[i] + lane);
    hn::Store(CastTo::Cast(d, scale), d, to.scale[i] + lane);
  }
  hn::Store(bias, d, to.bias + lane);
  hn::Store(CastTo::Cast(d, bias), d, to.cast_bias + lane);
}

// round(a / b), b's reciprocal given (rounded to nearest), a/b being from 0 to
// about 400. The quotient is corrected with its exact remainder, so that it is
// what division gives wherever a rounding hangs on it (Markstein 1990); the
// product alone would decide near halves, which are frequent among BF16
// weights, in another way. Where there is no fused multiplication, division is
// the exact way: the bytes are the same.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V RoundedQuotient(D, V a, V b, V reciprocal) {
#if HWY_NATIVE_FMA
  const V quotient = hn::Mul(a, reciprocal);
  const V remainder = hn::NegMulAdd(quotient, b, a);
  return hn::Round(hn::MulAdd(remainder, reciprocal, quotient));
#else
  (void)reciprocal;
  return hn::Round(hn::Div(a, b));
#endif
}

// sum + (code x scale + cast_bias - w)^2. The code is never negative: bias is
// the end from which scale leads inwards.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V AddError(D d, V sum, V distance, V step, V inverse, V top, V scale,
                      V cast_bias_minus_w) {
  const V code = hn::Min(RoundedQuotient(d, distance, step, inverse), top);
  const V error = hn::Add(hn::Mul(code, scale), cast_bias_minus_w);
  return hn::Add(sum, hn::Mul(error, error));
}

// Adds the errors of `length` weights per lane to errors[bits][lane].
template <class D>
HWY_INLINE void AddErrors(D d, const float* HWY_RESTRICT weights, size_t length,
                          size_t lane, const AffineParameters& by,
                          float (*HWY_RESTRICT errors)[kLanes]) {
  using V = hn::Vec<D>;
  const V b0 = hn::Load(d, by.step[0] + lane);
  const V b1 = hn::Load(d, by.step[1] + lane);
  const V b2 = hn::Load(d, by.step[2] + lane);
  const V b3 = hn::Load(d, by.step[3] + lane);
  const V b4 = hn::Load(d, by.step[4] + lane);
  const V b5 = hn::Load(d, by.step[5] + lane);
  const V i0 = hn::Load(d, by.inverse[0] + lane);
  const V i1 = hn::Load(d, by.inverse[1] + lane);
  const V i2 = hn::Load(d, by.inverse[2] + lane);
  const V i3 = hn::Load(d, by.inverse[3] + lane);
  const V i4 = hn::Load(d, by.inverse[4] + lane);
  const V i5 = hn::Load(d, by.inverse[5] + lane);
  const V s0 = hn::Load(d, by.scale[0] + lane);
  const V s1 = hn::Load(d, by.scale[1] + lane);
  const V s2 = hn::Load(d, by.scale[2] + lane);
  const V s3 = hn::Load(d, by.scale[3] + lane);
  const V s4 = hn::Load(d, by.scale[4] + lane);
  const V s5 = hn::Load(d, by.scale[5] + lane);
  const V t0 = hn::Set(d, kTopCodes[0]);
  const V t1 = hn::Set(d, kTopCodes[1]);
  const V t2 = hn::Set(d, kTopCodes[2]);
  const V t3 = hn::Set(d, kTopCodes[3]);
  const V t4 = hn::Set(d, kTopCodes[4]);
  const V t5 = hn::Set(d, kTopCodes[5]);
  const V bias = hn::Load(d, by.bias + lane);
  const V cast_bias = hn::Load(d, by.cast_bias + lane);
  V e0 = hn::Load(d, errors[0] + lane);
  V e1 = hn::Load(d, errors[1] + lane);
  V e2 = hn::Load(d, errors[2] + lane);
  V e3 = hn::Load(d, errors[3] + lane);
  V e4 = hn::Load(d, errors[4] + lane);
  V e5 = hn::Load(d, errors[5] + lane);
  for (size_t j = 0; j < length; ++j) {
    const V w = hn::Load(d, weights + j * kLanes + lane);
    const V distance = hn::Sub(w, bias);
    const V rest = hn::Sub(cast_bias, w);
    e0 = AddError(d, e0, distance, b0, i0, t0, s0, rest);
    e1 = AddError(d, e1, distance, b1, i1, t1, s1, rest);
    e2 = AddError(d, e2, distance, b2, i2, t2, s2, rest);
    e3 = AddError(d, e3, distance, b3, i3, t3, s3, rest);
    e4 = AddError(d, e4, distance, b4, i4, t4, s4, rest);
    e5 = AddError(d, e5, distance, b5, i5, t5, s5, rest);
  }
  hn::Store(e0, d, errors[0] + lane);
  hn::Store(e1, d, errors[1] + lane);
  hn::Store(e2, d, errors[2] + lane);
  hn::Store(e3, d, errors[3] + lane);
  hn::Store(e4, d, errors[4] + lane);
  hn::Store(e5, d, errors[5] + lane);
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#endif  // RAM_ANALYSIS_AFFINE_ERROR_INL_H_
