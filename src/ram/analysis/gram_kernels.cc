#include "ram/analysis/gram_kernels.h"

// Arrays of vectors need vectors of known size.
#ifndef HWY_DISABLED_TARGETS  // sanitized builds choose their own
#define HWY_DISABLED_TARGETS \
  (HWY_SVE | HWY_SVE2 | HWY_SVE_256 | HWY_SVE2_128 | HWY_RVV)
#endif

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/analysis/gram_kernels.cc"
#include <hwy/foreach_target.h>  // IWYU pragma: keep
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// kSumLanes elements, in as many vectors as the target needs.
template <typename T>
using Tag = hn::CappedTag<T, kSumLanes>;
template <typename T>
constexpr size_t VectorLanes() {
  return hn::MaxLanes(Tag<T>());
}

// kRows x (kVectors vectors) of the result stay in registers.
template <size_t kRows, size_t kVectors, typename T>
HWY_INLINE void MultiplyStrip(const T* HWY_RESTRICT a, const T* HWY_RESTRICT b,
                              size_t depth, T* HWY_RESTRICT c, size_t stride) {
  const Tag<T> d;
  using V = hn::Vec<Tag<T>>;
  constexpr size_t kLanes = VectorLanes<T>();
  V sum[kRows][kVectors];
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (size_t j = 0; j < kVectors; ++j) sum[i][j] = hn::Zero(d);
  }
  for (size_t k = 0; k < depth; ++k) {
    V right[kVectors];
#pragma GCC unroll 16
    for (size_t j = 0; j < kVectors; ++j) {
      right[j] = hn::Load(d, b + k * kTile + j * kLanes);
    }
#pragma GCC unroll 16
    for (size_t i = 0; i < kRows; ++i) {
      const V left = hn::Set(d, a[k * kTile + i]);
#pragma GCC unroll 16
      for (size_t j = 0; j < kVectors; ++j) {
        sum[i][j] = hn::Add(sum[i][j], hn::Mul(left, right[j]));
      }
    }
  }
#pragma GCC unroll 16
  for (size_t i = 0; i < kRows; ++i) {
#pragma GCC unroll 16
    for (size_t j = 0; j < kVectors; ++j) {
      T* to = c + i * stride + j * kLanes;
      hn::Store(hn::Add(hn::Load(d, to), sum[i][j]), d, to);
    }
  }
}

template <typename T>
HWY_INLINE void MultiplyTileT(const T* a, const T* b, size_t depth, T* c,
                              size_t stride) {
  constexpr size_t kLanes = VectorLanes<T>();
  constexpr size_t kRegisterVectors = kLanes * sizeof(T) == 64 ? 24 : 12;
  constexpr size_t kVectors =
      kTile / kLanes < kRegisterVectors ? kTile / kLanes : kRegisterVectors;
  constexpr size_t kRows = kRegisterVectors / kVectors;
  for (size_t j = 0; j < kTile; j += kVectors * kLanes) {
    for (size_t i = 0; i < kTile; i += kRows) {
      MultiplyStrip<kRows, kVectors>(a + i, b + j, depth, c + i * stride + j,
                                     stride);
    }
  }
}

void MultiplyTileF32(const float* a, const float* b, size_t depth, float* c,
                     size_t stride) {
  MultiplyTileT(a, b, depth, c, stride);
}
void MultiplyTileF64(const double* a, const double* b, size_t depth, double* c,
                     size_t stride) {
  MultiplyTileT(a, b, depth, c, stride);
}

// By squares of 4 x 4.
void TransposeTileF32(const float* HWY_RESTRICT in, float* HWY_RESTRICT out) {
#if HWY_TARGET == HWY_SCALAR
  for (size_t i = 0; i < kTile; ++i) {
    for (size_t j = 0; j < kTile; ++j) out[j * kTile + i] = in[i * kTile + j];
  }
#else
  const hn::FixedTag<float, 4> d;
  for (size_t i = 0; i < kTile; i += 4) {
    for (size_t j = 0; j < kTile; j += 4) {
      const float* from = in + i * kTile + j;
      float* to = out + j * kTile + i;
      const auto row0 = hn::Load(d, from);
      const auto row1 = hn::Load(d, from + kTile);
      const auto row2 = hn::Load(d, from + 2 * kTile);
      const auto row3 = hn::Load(d, from + 3 * kTile);
      const auto even01 = hn::InterleaveLower(d, row0, row2);
      const auto odd01 = hn::InterleaveLower(d, row1, row3);
      const auto even23 = hn::InterleaveUpper(d, row0, row2);
      const auto odd23 = hn::InterleaveUpper(d, row1, row3);
      hn::Store(hn::InterleaveLower(d, even01, odd01), d, to);
      hn::Store(hn::InterleaveUpper(d, even01, odd01), d, to + kTile);
      hn::Store(hn::InterleaveLower(d, even23, odd23), d, to + 2 * kTile);
      hn::Store(hn::InterleaveUpper(d, even23, odd23), d, to + 3 * kTile);
    }
  }
#endif
}

template <typename T>
HWY_INLINE T SumInOrder(const T* lanes) {
  T sum = lanes[0];
  for (size_t i = 1; i < kSumLanes; ++i) sum += lanes[i];
  return sum;
}

// Four rows at once, so that v and out are read once for all of them.
template <typename T>
HWY_INLINE void SymmetricRowsT(const T* HWY_RESTRICT a, size_t stride,
                               size_t row, size_t n, const T* HWY_RESTRICT v,
                               T* HWY_RESTRICT out) {
  const Tag<T> d;
  using V = hn::Vec<Tag<T>>;
  constexpr size_t kLanes = VectorLanes<T>();
  constexpr size_t kParts = kSumLanes / kLanes;
  constexpr size_t kRows = 4;
  for (size_t i = row; i < row + kSumLanes; i += kRows) {
    const T* rows = a + i * stride;
    V sum[kRows][kParts];
#pragma GCC unroll 16
    for (size_t r = 0; r < kRows; ++r) {
#pragma GCC unroll 16
      for (size_t p = 0; p < kParts; ++p) {
        const size_t at = row + p * kLanes;
        sum[r][p] =
            hn::Mul(hn::Load(d, rows + r * stride + at), hn::Load(d, v + at));
      }
    }
    const V v0 = hn::Set(d, v[i]), v1 = hn::Set(d, v[i + 1]),
            v2 = hn::Set(d, v[i + 2]), v3 = hn::Set(d, v[i + 3]);
    for (size_t j = row + kSumLanes; j < n; j += kSumLanes) {
#pragma GCC unroll 16
      for (size_t p = 0; p < kParts; ++p) {
        const size_t at = j + p * kLanes;
        const V x = hn::Load(d, v + at);
        const V a0 = hn::Load(d, rows + at);
        const V a1 = hn::Load(d, rows + stride + at);
        const V a2 = hn::Load(d, rows + 2 * stride + at);
        const V a3 = hn::Load(d, rows + 3 * stride + at);
        sum[0][p] = hn::Add(sum[0][p], hn::Mul(a0, x));
        sum[1][p] = hn::Add(sum[1][p], hn::Mul(a1, x));
        sum[2][p] = hn::Add(sum[2][p], hn::Mul(a2, x));
        sum[3][p] = hn::Add(sum[3][p], hn::Mul(a3, x));
        const V left = hn::Add(hn::Mul(a0, v0), hn::Mul(a1, v1));
        const V right = hn::Add(hn::Mul(a2, v2), hn::Mul(a3, v3));
        hn::Store(hn::Add(hn::Load(d, out + at), hn::Add(left, right)), d,
                  out + at);
      }
    }
    HWY_ALIGN T lanes[kSumLanes];
    for (size_t r = 0; r < kRows; ++r) {
      for (size_t p = 0; p < kParts; ++p) {
        hn::Store(sum[r][p], d, lanes + p * kLanes);
      }
      out[i + r] += SumInOrder(lanes);
    }
  }
}

void SymmetricRowsF32(const float* a, size_t stride, size_t row, size_t n,
                      const float* v, float* out) {
  SymmetricRowsT(a, stride, row, n, v, out);
}
void SymmetricRowsF64(const double* a, size_t stride, size_t row, size_t n,
                      const double* v, double* out) {
  SymmetricRowsT(a, stride, row, n, v, out);
}

template <typename T>
HWY_INLINE T DotT(const T* HWY_RESTRICT x, const T* HWY_RESTRICT y, size_t n) {
  const Tag<T> d;
  using V = hn::Vec<Tag<T>>;
  constexpr size_t kLanes = VectorLanes<T>();
  constexpr size_t kParts = kSumLanes / kLanes;
  V sum[kParts];
  for (size_t p = 0; p < kParts; ++p) sum[p] = hn::Zero(d);
  for (size_t j = 0; j < n; j += kSumLanes) {
#pragma GCC unroll 16
    for (size_t p = 0; p < kParts; ++p) {
      const size_t at = j + p * kLanes;
      sum[p] =
          hn::Add(sum[p], hn::Mul(hn::LoadU(d, x + at), hn::LoadU(d, y + at)));
    }
  }
  HWY_ALIGN T lanes[kSumLanes];
  for (size_t p = 0; p < kParts; ++p) hn::Store(sum[p], d, lanes + p * kLanes);
  return SumInOrder(lanes);
}

float DotF32(const float* x, const float* y, size_t n) { return DotT(x, y, n); }
double DotF64(const double* x, const double* y, size_t n) {
  return DotT(x, y, n);
}

template <typename T>
HWY_INLINE void AddScaledT(T factor, const T* HWY_RESTRICT x, T* HWY_RESTRICT y,
                           size_t n) {
  const Tag<T> d;
  const auto f = hn::Set(d, factor);
  for (size_t j = 0; j < n; j += VectorLanes<T>()) {
    hn::StoreU(hn::Add(hn::LoadU(d, y + j), hn::Mul(f, hn::LoadU(d, x + j))), d,
               y + j);
  }
}

void AddScaledF32(float factor, const float* x, float* y, size_t n) {
  AddScaledT(factor, x, y, n);
}
void AddScaledF64(double factor, const double* x, double* y, size_t n) {
  AddScaledT(factor, x, y, n);
}

void CountBelowF64(const double* HWY_RESTRICT diagonal,
                   const double* HWY_RESTRICT squares, size_t n, double tiny,
                   const double* HWY_RESTRICT shifts,
                   double* HWY_RESTRICT counts) {
  const Tag<double> d;
  using V = hn::Vec<Tag<double>>;
  constexpr size_t kLanes = VectorLanes<double>();
  constexpr size_t kParts = kSumLanes / kLanes;
  V shift[kParts], pivot[kParts], count[kParts];
  for (size_t p = 0; p < kParts; ++p) {
    shift[p] = hn::LoadU(d, shifts + p * kLanes);
    pivot[p] = hn::Set(d, 1.0);
    count[p] = hn::Zero(d);
  }
  const V zero = hn::Zero(d), one = hn::Set(d, 1.0);
  const V smallest = hn::Set(d, tiny), negative = hn::Set(d, -tiny);
  for (size_t i = 0; i < n; ++i) {
    const V element = hn::Set(d, diagonal[i]), square = hn::Set(d, squares[i]);
#pragma GCC unroll 16
    for (size_t p = 0; p < kParts; ++p) {
      const V next =
          hn::Sub(hn::Sub(element, shift[p]), hn::Div(square, pivot[p]));
      pivot[p] =
          hn::IfThenElse(hn::Lt(hn::Abs(next), smallest), negative, next);
      count[p] =
          hn::Add(count[p], hn::IfThenElseZero(hn::Lt(pivot[p], zero), one));
    }
  }
  for (size_t p = 0; p < kParts; ++p) {
    hn::StoreU(count[p], d, counts + p * kLanes);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {

HWY_EXPORT(MultiplyTileF32);
HWY_EXPORT(MultiplyTileF64);
HWY_EXPORT(SymmetricRowsF32);
HWY_EXPORT(SymmetricRowsF64);
HWY_EXPORT(TransposeTileF32);
HWY_EXPORT(DotF32);
HWY_EXPORT(DotF64);
HWY_EXPORT(AddScaledF32);
HWY_EXPORT(AddScaledF64);
HWY_EXPORT(CountBelowF64);

void MultiplyTile(const float* a, const float* b, size_t depth, float* c,
                  size_t stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyTileF32)(a, b, depth, c, stride);
}
void MultiplyTile(const double* a, const double* b, size_t depth, double* c,
                  size_t stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyTileF64)(a, b, depth, c, stride);
}
void SymmetricRows(const float* a, size_t stride, size_t row, size_t n,
                   const float* v, float* out) {
  HWY_DYNAMIC_DISPATCH(SymmetricRowsF32)(a, stride, row, n, v, out);
}
void SymmetricRows(const double* a, size_t stride, size_t row, size_t n,
                   const double* v, double* out) {
  HWY_DYNAMIC_DISPATCH(SymmetricRowsF64)(a, stride, row, n, v, out);
}
void TransposeTile(const float* in, float* out) {
  HWY_DYNAMIC_DISPATCH(TransposeTileF32)(in, out);
}
float Dot(const float* x, const float* y, size_t n) {
  return HWY_DYNAMIC_DISPATCH(DotF32)(x, y, n);
}
double Dot(const double* x, const double* y, size_t n) {
  return HWY_DYNAMIC_DISPATCH(DotF64)(x, y, n);
}
void AddScaled(float factor, const float* x, float* y, size_t n) {
  HWY_DYNAMIC_DISPATCH(AddScaledF32)(factor, x, y, n);
}
void AddScaled(double factor, const double* x, double* y, size_t n) {
  HWY_DYNAMIC_DISPATCH(AddScaledF64)(factor, x, y, n);
}
void CountBelow(const double* diagonal, const double* squares, size_t n,
                double tiny, const double* shifts, double* counts) {
  HWY_DYNAMIC_DISPATCH(CountBelowF64)
  (diagonal, squares, n, tiny, shifts, counts);
}

}  // namespace ram
#endif  // HWY_ONCE
