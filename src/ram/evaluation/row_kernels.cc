#include "ram/evaluation/row_kernels.h"

#include <cmath>

// Arrays of vectors need vectors of known size.
#ifndef HWY_DISABLED_TARGETS  // sanitized builds choose their own
#define HWY_DISABLED_TARGETS \
  (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/evaluation/row_kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>
// After foreach_target.
#include <hwy/contrib/math/math-inl.h>

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// Sums are kept in this many lanes on every target.
constexpr size_t kLanes = 16;
using Tag = hn::CappedTag<float, kLanes>;
using V = hn::Vec<Tag>;
constexpr size_t kStep = hn::MaxLanes(Tag());
constexpr size_t kParts = kLanes / kStep;

HWY_INLINE V Exp(V x) {
  const Tag d;
  // Below this exp is zero in float, and Highway's says so as well.
  return hn::Exp(d, hn::Max(x, hn::Set(d, -104.0f)));
}

// Calls body(i, part) for whole vectors, then tail(i) for what is left.
template <typename Body, typename Tail>
HWY_INLINE void ForEach(size_t n, const Body& body, const Tail& tail) {
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t part = 0; part < kParts; ++part) body(i + part * kStep, part);
  }
  for (; i < n; ++i) tail(i);
}

struct Sum {
  V parts[kParts];
  float tail = 0;
  HWY_INLINE Sum() {
    for (size_t p = 0; p < kParts; ++p) parts[p] = hn::Zero(Tag());
  }
  HWY_INLINE float Total() const {
    HWY_ALIGN float lanes[kLanes];
    for (size_t p = 0; p < kParts; ++p) {
      hn::Store(parts[p], Tag(), lanes + p * kStep);
    }
    float total = tail;
    for (float lane : lanes) total += lane;
    return total;
  }
};

void RmsNormT(const float* in, const float* weight, size_t n, float epsilon,
              float offset, float* out) {
  const Tag d;
  Sum squares;
  ForEach(
      n,
      [&](size_t i, size_t part) {
        const V x = hn::LoadU(d, in + i);
        squares.parts[part] = hn::MulAdd(x, x, squares.parts[part]);
      },
      [&](size_t i) { squares.tail += in[i] * in[i]; });
  const float mean = squares.Total() / static_cast<float>(n);
  const float inverse = 1.0f / std::sqrt(mean + epsilon);
  const V factor = hn::Set(d, inverse);
  const V shift = hn::Set(d, offset);
  ForEach(
      n,
      [&](size_t i, size_t) {
        const V x = hn::Mul(hn::LoadU(d, in + i), factor);
        const V w = hn::Add(hn::LoadU(d, weight + i), shift);
        hn::StoreU(hn::Mul(x, w), d, out + i);
      },
      [&](size_t i) { out[i] = in[i] * inverse * (weight[i] + offset); });
}

// A tail shorter than 16 goes through the same vector code, in a buffer.
template <typename Body>
HWY_INLINE void Map(size_t n, const Body& body, const float* other, float* x) {
  const Tag d;
  size_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    const V y = other ? hn::LoadU(d, other + i) : hn::Zero(d);
    hn::StoreU(body(hn::LoadU(d, x + i), y), d, x + i);
  }
  if (i == n) return;
  HWY_ALIGN float last[kLanes] = {};
  HWY_ALIGN float last_other[kLanes] = {};
  for (size_t j = i; j < n; ++j) {
    last[j - i] = x[j];
    if (other) last_other[j - i] = other[j];
  }
  hn::Store(body(hn::Load(d, last), hn::Load(d, last_other)), d, last);
  for (size_t j = i; j < n; ++j) x[j] = last[j - i];
}

void SiluTimesT(const float* up, size_t n, float* gate) {
  Map(
      n,
      [](V x, V y) HWY_ATTR {
        const V one = hn::Set(Tag(), 1.0f);
        return hn::Div(hn::Mul(x, y), hn::Add(one, Exp(hn::Neg(x))));
      },
      up, gate);
}

// tanh(x) = 1 - 2 / (1 + exp(2x)), without loss that matters near 0: callers
// multiply with x or a cap.
HWY_INLINE V Tanh(V x) {
  const Tag d;
  const V one = hn::Set(d, 1.0f);
  const V two = hn::Set(d, 2.0f);
  const V limited = hn::Min(hn::Add(x, x), hn::Set(d, 80.0f));
  return hn::Sub(one, hn::Div(two, hn::Add(one, Exp(limited))));
}

void GeluTanhTimesT(const float* up, size_t n, float* gate) {
  Map(
      n,
      [](V x, V y) HWY_ATTR {
        const Tag d;
        const V cubic = hn::Mul(hn::Mul(x, x), x);
        const V inner = hn::Mul(hn::Set(d, 0.7978845608f),
                                hn::MulAdd(hn::Set(d, 0.044715f), cubic, x));
        const V half = hn::Mul(hn::Set(d, 0.5f), hn::Mul(x, y));
        return hn::MulAdd(half, Tanh(inner), half);
      },
      up, gate);
}

void SoftCapT(size_t n, float cap, float* x) {
  const float inverse = 1 / cap;
  Map(
      n,
      [&](V v, V) HWY_ATTR {
        const Tag d;
        return hn::Mul(hn::Set(d, cap), Tanh(hn::Mul(v, hn::Set(d, inverse))));
      },
      nullptr, x);
}

void AddScaledT(const float* from, size_t n, float scale, float* to) {
  Map(
      n,
      [&](V x, V y)
          HWY_ATTR { return hn::MulAdd(hn::Set(Tag(), scale), y, x); },
      from, to);
}

float MaxOfT(const float* x, size_t n) {
  const Tag d;
  V most = hn::Set(d, x[0]);
  size_t i = 0;
  for (; i + kStep <= n; i += kStep) {
    most = hn::Max(most, hn::LoadU(d, x + i));
  }
  float result = hn::GetLane(hn::MaxOfLanes(d, most));
  for (; i < n; ++i) result = x[i] > result ? x[i] : result;
  return result;
}

// exp(x - max) of 16 numbers at a time, the last ones padded with -inf.
template <typename Body>
HWY_INLINE void ForEachExp(const float* x, size_t n, float max,
                           const Body& body) {
  const Tag d;
  const V top = hn::Set(d, max);
  size_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (size_t part = 0; part < kParts; ++part) {
      const V v = hn::LoadU(d, x + i + part * kStep);
      body(i + part * kStep, part, kStep, Exp(hn::Sub(v, top)));
    }
  }
  for (size_t part = 0; i < n; ++part, i += kStep) {
    HWY_ALIGN float last[kLanes];
    const size_t count = n - i < kStep ? n - i : kStep;
    for (size_t j = 0; j < kStep; ++j) last[j] = j < count ? x[i + j] : -1e30f;
    body(i, part, count, Exp(hn::Sub(hn::Load(d, last), top)));
  }
}

float ExpInPlaceT(size_t n, float max, float* x) {
  const Tag d;
  Sum sum;
  ForEachExp(x, n, max, [&](size_t i, size_t part, size_t count, V e) HWY_ATTR {
    if (count == kStep) {
      hn::StoreU(e, d, x + i);
    } else {
      HWY_ALIGN float last[kLanes];
      hn::Store(e, d, last);
      for (size_t j = 0; j < count; ++j) x[i + j] = last[j];
    }
    sum.parts[part] = hn::Add(sum.parts[part], e);
  });
  return sum.Total();
}

float SumExpT(const float* x, size_t n, float max) {
  Sum sum;
  ForEachExp(x, n, max, [&](size_t, size_t part, size_t, V e) HWY_ATTR {
    sum.parts[part] = hn::Add(sum.parts[part], e);
  });
  return sum.Total();
}

ExpSums SumExpWithT(const float* x, const float* y, size_t n, float max) {
  const Tag d;
  Sum sum;
  Sum weighted;
  ForEachExp(x, n, max, [&](size_t i, size_t part, size_t count, V e) HWY_ATTR {
    sum.parts[part] = hn::Add(sum.parts[part], e);
    if (count == kStep) {
      const V difference = hn::Sub(hn::LoadU(d, x + i), hn::LoadU(d, y + i));
      weighted.parts[part] = hn::MulAdd(e, difference, weighted.parts[part]);
      return;
    }
    HWY_ALIGN float last[kLanes];
    hn::Store(e, d, last);
    for (size_t j = 0; j < count; ++j) {
      weighted.tail += last[j] * (x[i + j] - y[i + j]);
    }
  });
  return {sum.Total(), weighted.Total()};
}

bool AllFiniteT(const float* x, size_t n) {
  const Tag d;
  V poison = hn::Zero(d);
  float tail = 0;
  size_t i = 0;
  // 0 * x is NaN where x is NaN or infinite.
  for (; i + kStep <= n; i += kStep) {
    poison = hn::Add(poison, hn::Mul(hn::Zero(d), hn::LoadU(d, x + i)));
  }
  for (; i < n; ++i) tail += 0 * x[i];
  return hn::GetLane(hn::SumOfLanes(d, poison)) + tail == 0;
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {
HWY_EXPORT(RmsNormT);
HWY_EXPORT(SiluTimesT);
HWY_EXPORT(GeluTanhTimesT);
HWY_EXPORT(SoftCapT);
HWY_EXPORT(AddScaledT);
HWY_EXPORT(MaxOfT);
HWY_EXPORT(ExpInPlaceT);
HWY_EXPORT(SumExpT);
HWY_EXPORT(SumExpWithT);
HWY_EXPORT(AllFiniteT);

void RmsNorm(const float* in, const float* weight, uint64_t n, float epsilon,
             float offset, float* out) {
  HWY_DYNAMIC_DISPATCH(RmsNormT)(in, weight, n, epsilon, offset, out);
}
void SiluTimes(const float* up, uint64_t n, float* gate) {
  HWY_DYNAMIC_DISPATCH(SiluTimesT)(up, n, gate);
}
void GeluTanhTimes(const float* up, uint64_t n, float* gate) {
  HWY_DYNAMIC_DISPATCH(GeluTanhTimesT)(up, n, gate);
}
void SoftCap(uint64_t n, float cap, float* x) {
  HWY_DYNAMIC_DISPATCH(SoftCapT)(n, cap, x);
}
void AddScaled(const float* from, uint64_t n, float scale, float* to) {
  HWY_DYNAMIC_DISPATCH(AddScaledT)(from, n, scale, to);
}
float MaxOf(const float* x, uint64_t n) {
  return HWY_DYNAMIC_DISPATCH(MaxOfT)(x, n);
}
float ExpInPlace(uint64_t n, float max, float* x) {
  return HWY_DYNAMIC_DISPATCH(ExpInPlaceT)(n, max, x);
}
ExpSums SumExp(const float* x, const float* y, uint64_t n, float max) {
  return HWY_DYNAMIC_DISPATCH(SumExpWithT)(x, y, n, max);
}
float SumExp(const float* x, uint64_t n, float max) {
  return HWY_DYNAMIC_DISPATCH(SumExpT)(x, n, max);
}
bool AllFinite(const float* x, uint64_t n) {
  return HWY_DYNAMIC_DISPATCH(AllFiniteT)(x, n);
}

}  // namespace ram
#endif  // HWY_ONCE
