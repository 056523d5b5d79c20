#include "ram/quantization/float_dot.h"

#include <cstring>

#include "ram/tensor/convert.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/quantization/float_dot.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

using LaneTag = hn::CappedTag<float, 16>;
using V = hn::Vec<LaneTag>;

struct F32Row {
  static constexpr size_t kBytes = 4;
  static HWY_INLINE V Load(const uint8_t* HWY_RESTRICT row, size_t at) {
    return hn::LoadU(LaneTag(), reinterpret_cast<const float*>(row) + at);
  }
  static HWY_INLINE float One(const uint8_t* HWY_RESTRICT row, size_t at) {
    float value;
    std::memcpy(&value, row + 4 * at, sizeof value);
    return value;
  }
};

struct BF16Row {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE V Load(const uint8_t* HWY_RESTRICT row, size_t at) {
    const hn::RebindToUnsigned<LaneTag> d32;
    const hn::Rebind<uint16_t, LaneTag> d16;
    const auto bits =
        hn::LoadU(d16, reinterpret_cast<const uint16_t*>(row) + at);
    return hn::BitCast(LaneTag(), hn::ShiftLeft<16>(hn::PromoteTo(d32, bits)));
  }
  static HWY_INLINE float One(const uint8_t* HWY_RESTRICT row, size_t at) {
    uint16_t bits;
    std::memcpy(&bits, row + 2 * at, sizeof bits);
    return BF16ToFloat(bits);
  }
};

struct F16Row {
  static constexpr size_t kBytes = 2;
  static HWY_INLINE V Load(const uint8_t* HWY_RESTRICT row, size_t at) {
    const hn::Rebind<hwy::float16_t, LaneTag> df16;
    const hn::Rebind<uint16_t, LaneTag> d16;
    const auto bits =
        hn::LoadU(d16, reinterpret_cast<const uint16_t*>(row) + at);
    return hn::PromoteTo(LaneTag(), hn::BitCast(df16, bits));
  }
  static HWY_INLINE float One(const uint8_t* HWY_RESTRICT row, size_t at) {
    uint16_t bits;
    std::memcpy(&bits, row + 2 * at, sizeof bits);
    return F16ToFloat(bits);
  }
};

// Two sums each, so that an addition need not wait for the one before it.
template <class Row, size_t kRows, size_t kVectors>
HWY_INLINE void MultiplyRows(const uint8_t* HWY_RESTRICT weights, size_t cols,
                             const float* HWY_RESTRICT x, float* HWY_RESTRICT y,
                             size_t y_stride) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  const size_t stride = cols * Row::kBytes;
  V even[kRows * kVectors], odd[kRows * kVectors];
  for (V& sum : even) sum = hn::Zero(d);
  for (V& sum : odd) sum = hn::Zero(d);
  const auto add = [&](size_t at, V* HWY_RESTRICT sums) HWY_ATTR {
    for (size_t v = 0; v < kVectors; ++v) {
      const V activations = hn::LoadU(d, x + v * cols + at);
      for (size_t r = 0; r < kRows; ++r) {
        V& sum = sums[r * kVectors + v];
        sum = hn::MulAdd(Row::Load(weights + r * stride, at), activations, sum);
      }
    }
  };
  size_t at = 0;
  for (; at + 2 * lanes <= cols; at += 2 * lanes) {
    add(at, even);
    add(at + lanes, odd);
  }
  if (at + lanes <= cols) {
    add(at, even);
    at += lanes;
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t v = 0; v < kVectors; ++v) {
      const size_t i = r * kVectors + v;
      float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even[i], odd[i])));
      for (size_t c = at; c < cols; ++c) {
        sum += Row::One(weights + r * stride, c) * x[v * cols + c];
      }
      y[v * y_stride + r] = sum;
    }
  }
}

template <class Row, size_t kVectors>
HWY_NOINLINE void MultiplyVectors(const uint8_t* HWY_RESTRICT weights,
                                  size_t rows, size_t cols,
                                  const float* HWY_RESTRICT x,
                                  float* HWY_RESTRICT y, size_t y_stride) {
  constexpr size_t kBlock = kVectors == 1 ? 4 : 2;
  const size_t stride = cols * Row::kBytes;
  size_t r = 0;
  for (; r + kBlock <= rows; r += kBlock) {
    MultiplyRows<Row, kBlock, kVectors>(weights + r * stride, cols, x, y + r,
                                        y_stride);
  }
  for (; r < rows; ++r) {
    MultiplyRows<Row, 1, kVectors>(weights + r * stride, cols, x, y + r,
                                   y_stride);
  }
}

template <class Row>
HWY_INLINE void MultiplyAll(const uint8_t* HWY_RESTRICT weights, size_t rows,
                            size_t cols, const float* HWY_RESTRICT x,
                            size_t vectors, float* HWY_RESTRICT y,
                            size_t y_stride) {
  size_t v = 0;
  for (; v + 4 <= vectors; v += 4) {
    MultiplyVectors<Row, 4>(weights, rows, cols, x + v * cols, y + v * y_stride,
                            y_stride);
  }
  for (; v < vectors; ++v) {
    MultiplyVectors<Row, 1>(weights, rows, cols, x + v * cols, y + v * y_stride,
                            y_stride);
  }
}

void MultiplyFloatsKernel(DType dtype, const uint8_t* HWY_RESTRICT weights,
                          size_t rows, size_t cols, const float* HWY_RESTRICT x,
                          size_t vectors, float* HWY_RESTRICT y,
                          size_t y_stride) {
  switch (dtype) {
    case DType::kBF16:
      return MultiplyAll<BF16Row>(weights, rows, cols, x, vectors, y, y_stride);
    case DType::kF16:
      return MultiplyAll<F16Row>(weights, rows, cols, x, vectors, y, y_stride);
    default:
      return MultiplyAll<F32Row>(weights, rows, cols, x, vectors, y, y_stride);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {

HWY_EXPORT(MultiplyFloatsKernel);

void MultiplyFloats(DType dtype, const std::byte* weights, uint64_t rows,
                    uint64_t cols, const float* x, uint64_t vectors, float* y,
                    uint64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyFloatsKernel)
  (dtype, reinterpret_cast<const uint8_t*>(weights), rows, cols, x, vectors, y,
   y_stride);
}

}  // namespace ram
#endif  // HWY_ONCE
