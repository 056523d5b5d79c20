#include "ram/quantization/block_dot.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/quantization/block_dot.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "ram/quantization/block_codes-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

using LaneTag = hn::CappedTag<float, 16>;
using V = hn::Vec<LaneTag>;

// So many weights are taken apart at a time.
constexpr size_t kSegment = 2048;
constexpr size_t kMaxRuns = kSegment / 16;

struct Segment {
  HWY_ALIGN int8_t codes[kSegment];
  HWY_ALIGN float scales[kMaxRuns];
  HWY_ALIGN float offsets[kMaxRuns];
};

// Codes from `at` on, as floats.
HWY_INLINE V CodesAt(const Segment& segment, size_t at) {
  const LaneTag d;
  const hn::Rebind<int8_t, LaneTag> d8;
  const hn::RebindToSigned<LaneTag> d32;
  return hn::ConvertTo(d,
                       hn::PromoteTo(d32, hn::LoadU(d8, segment.codes + at)));
}

// Adds one run of weights that share a scale.
template <size_t kRun, size_t kVectors>
HWY_INLINE void AddRun(const Segment& segment, size_t run,
                       const float* HWY_RESTRICT x, size_t x_stride,
                       V* HWY_RESTRICT sums) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  V part[kVectors];
  for (V& p : part) p = hn::Zero(d);
  for (size_t i = run * kRun; i < (run + 1) * kRun; i += lanes) {
    const V codes = CodesAt(segment, i);
    for (size_t v = 0; v < kVectors; ++v) {
      part[v] = hn::MulAdd(codes, hn::LoadU(d, x + v * x_stride + i), part[v]);
    }
  }
  const V scale = hn::Set(d, segment.scales[run]);
  for (size_t v = 0; v < kVectors; ++v) {
    sums[v] = hn::MulAdd(scale, part[v], sums[v]);
  }
}

// Two sums each, so that an addition need not wait for the one before it.
template <size_t kRun, size_t kVectors>
HWY_INLINE void AddRuns(const Segment& segment, size_t runs,
                        const float* HWY_RESTRICT x, size_t x_stride,
                        V* HWY_RESTRICT even, V* HWY_RESTRICT odd) {
  size_t run = 0;
  for (; run + 2 <= runs; run += 2) {
    AddRun<kRun, kVectors>(segment, run, x, x_stride, even);
    AddRun<kRun, kVectors>(segment, run + 1, x, x_stride, odd);
  }
  if (run < runs) AddRun<kRun, kVectors>(segment, run, x, x_stride, even);
}

// Subtracts offsets times sums of activations.
template <size_t kVectors>
HWY_INLINE void SubtractOffsets(const Segment& segment, size_t runs,
                                const float* HWY_RESTRICT x_sums,
                                size_t sum_stride, V* HWY_RESTRICT sums,
                                float* HWY_RESTRICT rest) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  const size_t whole = runs - runs % lanes;
  for (size_t v = 0; v < kVectors; ++v) {
    const float* HWY_RESTRICT from = x_sums + v * sum_stride;
    for (size_t i = 0; i < whole; i += lanes) {
      sums[v] = hn::NegMulAdd(hn::Load(d, segment.offsets + i),
                              hn::LoadU(d, from + i), sums[v]);
    }
    for (size_t i = whole; i < runs; ++i) {
      rest[v] += segment.offsets[i] * from[i];
    }
  }
}

template <class Format, size_t kVectors>
HWY_INLINE void MultiplyRow(const uint8_t* HWY_RESTRICT row,
                            const BlockActivations& x, size_t vector,
                            float* HWY_RESTRICT y, size_t y_stride) {
  constexpr size_t kRun = Format::kRun;
  const LaneTag d;
  const float* values = x.values() + vector * x.cols();
  const float* x_sums = x.sums() + vector * x.sum_stride();
  Segment segment;
  V even[kVectors], odd[kVectors];
  for (V& sum : even) sum = hn::Zero(d);
  for (V& sum : odd) sum = hn::Zero(d);
  float offsets[kVectors] = {};
  for (size_t begin = 0; begin < x.cols(); begin += kSegment) {
    const size_t count = std::min<size_t>(kSegment, x.cols() - begin);
    for (size_t at = 0; at < count; at += Format::kWeights) {
      Format::Take(row, segment.codes + at, segment.scales + at / kRun,
                   segment.offsets + at / kRun);
      row += Format::kBytes;
    }
    AddRuns<kRun, kVectors>(segment, count / kRun, values + begin, x.cols(),
                            even, odd);
    if constexpr (Format::kOffsets) {
      SubtractOffsets<kVectors>(segment, count / kRun, x_sums + begin / kRun,
                                x.sum_stride(), even, offsets);
    }
  }
  for (size_t v = 0; v < kVectors; ++v) {
    const float sum = hn::GetLane(hn::SumOfLanes(d, hn::Add(even[v], odd[v])));
    y[v * y_stride] = sum - offsets[v];
  }
}

template <class Format, size_t kVectors>
HWY_NOINLINE void MultiplyVectors(const uint8_t* HWY_RESTRICT weights,
                                  size_t rows, const BlockActivations& x,
                                  size_t vector, float* HWY_RESTRICT y,
                                  size_t y_stride) {
  const size_t row_bytes = x.cols() / Format::kWeights * Format::kBytes;
  for (size_t r = 0; r < rows; ++r) {
    MultiplyRow<Format, kVectors>(weights + r * row_bytes, x, vector, y + r,
                                  y_stride);
  }
}

template <class Format>
HWY_INLINE void MultiplyFormat(const uint8_t* HWY_RESTRICT weights, size_t rows,
                               const BlockActivations& x, float* HWY_RESTRICT y,
                               size_t y_stride) {
  size_t v = 0;
  for (; v + 4 <= x.vectors(); v += 4) {
    MultiplyVectors<Format, 4>(weights, rows, x, v, y + v * y_stride, y_stride);
  }
  for (; v < x.vectors(); ++v) {
    MultiplyVectors<Format, 1>(weights, rows, x, v, y + v * y_stride, y_stride);
  }
}

void MultiplyBlocksKernel(const uint8_t* HWY_RESTRICT weights, size_t rows,
                          const BlockActivations& x, float* HWY_RESTRICT y,
                          size_t y_stride) {
  switch (x.type()) {
    case GgmlType::kQ4_0:
      return MultiplyFormat<Q4_0>(weights, rows, x, y, y_stride);
    case GgmlType::kQ4_1:
      return MultiplyFormat<Q4_1>(weights, rows, x, y, y_stride);
    case GgmlType::kQ5_0:
      return MultiplyFormat<Q5_0>(weights, rows, x, y, y_stride);
    case GgmlType::kQ5_1:
      return MultiplyFormat<Q5_1>(weights, rows, x, y, y_stride);
    case GgmlType::kQ8_0:
      return MultiplyFormat<Q8_0>(weights, rows, x, y, y_stride);
    case GgmlType::kQ2_K:
      return MultiplyFormat<Q2_K>(weights, rows, x, y, y_stride);
    case GgmlType::kQ3_K:
      return MultiplyFormat<Q3_K>(weights, rows, x, y, y_stride);
    case GgmlType::kQ4_K:
      return MultiplyFormat<Q4_K>(weights, rows, x, y, y_stride);
    case GgmlType::kQ5_K:
      return MultiplyFormat<Q5_K>(weights, rows, x, y, y_stride);
    case GgmlType::kQ6_K:
      return MultiplyFormat<Q6_K>(weights, rows, x, y, y_stride);
    case GgmlType::kIQ4_NL:
      return MultiplyFormat<IQ4_NL>(weights, rows, x, y, y_stride);
    default:
      return MultiplyFormat<IQ4_XS>(weights, rows, x, y, y_stride);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {
namespace {

// Weights that share an offset; 0: the type has none, or no kernel.
uint64_t OffsetRun(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_1:
    case GgmlType::kQ5_1:
    case GgmlType::kQ4_K:
    case GgmlType::kQ5_K:
      return 32;
    case GgmlType::kQ2_K:
      return 16;
    default:
      return 0;
  }
}

}  // namespace

HWY_EXPORT(MultiplyBlocksKernel);

bool CanMultiplyBlocks(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_0:
    case GgmlType::kQ4_1:
    case GgmlType::kQ5_0:
    case GgmlType::kQ5_1:
    case GgmlType::kQ8_0:
    case GgmlType::kQ2_K:
    case GgmlType::kQ3_K:
    case GgmlType::kQ4_K:
    case GgmlType::kQ5_K:
    case GgmlType::kQ6_K:
    case GgmlType::kIQ4_NL:
    case GgmlType::kIQ4_XS:
      return true;
    default:
      return false;
  }
}

void BlockActivations::Arrange(GgmlType type, const float* x, uint64_t vectors,
                               uint64_t cols) {
  type_ = type;
  x_ = x;
  vectors_ = vectors;
  cols_ = cols;
  const uint64_t run = OffsetRun(type);
  sum_stride_ = run == 0 ? 0 : cols / run;
  sums_.Resize(vectors * sum_stride_ + 1);
  for (uint64_t i = 0; i < vectors * sum_stride_; ++i) {
    float sum = 0;
    for (uint64_t j = 0; j < run; ++j) sum += x[i * run + j];
    sums_.data()[i] = sum;
  }
}

void MultiplyBlocks(const std::byte* weights, uint64_t rows,
                    const BlockActivations& x, float* y, uint64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyBlocksKernel)
  (reinterpret_cast<const uint8_t*>(weights), rows, x, y, y_stride);
}

}  // namespace ram
#endif  // HWY_ONCE
