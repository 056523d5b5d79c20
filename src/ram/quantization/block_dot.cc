#include "ram/quantization/block_dot.h"

#include <algorithm>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/quantization/block_dot.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "ram/quantization/block_codes-inl.h"
#include "ram/quantization/rounded_activations-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

using LaneTag = hn::CappedTag<float, 16>;
using V = hn::Vec<LaneTag>;
using IntTag = hn::RebindToSigned<LaneTag>;
using VI = hn::Vec<IntTag>;

// So many weights are taken apart at a time.
constexpr size_t kSegment = 2048;
constexpr size_t kMaxRuns = kSegment / 16;
// Of codes and activations that each 32-bit lane multiplies and adds up.
constexpr size_t kPerLane = HWY_TARGET <= HWY_AVX2 ? 2 : 1;

template <size_t kVectors>
struct Segment {
  HWY_ALIGN int8_t codes[kSegment];
  HWY_ALIGN float scales[kMaxRuns];
  HWY_ALIGN float offsets[kMaxRuns];
  // What a product of a code and an activation is worth in each run; a vector
  // of them is read from any run on.
  HWY_ALIGN float worth[kVectors][kMaxRuns + 16];
};

// Products of codes with activations, each lane the sum of kPerLane.
HWY_INLINE VI Products(const int8_t* HWY_RESTRICT codes,
                       const int16_t* HWY_RESTRICT x) {
  const IntTag d;
#if HWY_TARGET <= HWY_AVX2
  const hn::Repartition<int16_t, IntTag> d16;
  const hn::Rebind<int8_t, decltype(d16)> d8;
  // On x86 neighbours are added, and nothing goes into the second sum.
  VI none = hn::Zero(d);
  return hn::ReorderWidenMulAccumulate(d,
                                       hn::PromoteTo(d16, hn::LoadU(d8, codes)),
                                       hn::LoadU(d16, x), hn::Zero(d), none);
#else
  const hn::Rebind<int8_t, IntTag> d8;
  const hn::Rebind<int16_t, IntTag> d16;
  return hn::Mul(hn::PromoteTo(d, hn::LoadU(d8, codes)),
                 hn::PromoteTo(d, hn::LoadU(d16, x)));
#endif
}

// Scales times the steps of the activations.
template <size_t kVectors>
HWY_INLINE void WeighRuns(size_t runs, const float* HWY_RESTRICT steps,
                          size_t stride, Segment<kVectors>& segment) {
  const LaneTag d;
  for (size_t v = 0; v < kVectors; ++v) {
    for (size_t run = 0; run < runs; run += hn::Lanes(d)) {
      hn::StoreU(hn::Mul(hn::Load(d, segment.scales + run),
                         hn::LoadU(d, steps + v * stride + run)),
                 d, segment.worth[v] + run);
    }
  }
}

// Adds codes times activations. Two sums each, so that an addition need not
// wait for the one before it.
template <size_t kRun, size_t kVectors>
HWY_INLINE void AddRuns(const Segment<kVectors>& segment, size_t count,
                        const int16_t* HWY_RESTRICT x, size_t x_stride,
                        V* HWY_RESTRICT even, V* HWY_RESTRICT odd) {
  const LaneTag d;
  const size_t chunk = hn::Lanes(d) * kPerLane;
  HWY_ALIGN int32_t run_of_lane[16];
  for (size_t lane = 0; lane < hn::Lanes(d); ++lane) {
    run_of_lane[lane] = static_cast<int32_t>(lane * kPerLane / kRun);
  }
  const auto spread = hn::SetTableIndices(d, run_of_lane);
  const auto add = [&](size_t at, V* HWY_RESTRICT sums) HWY_ATTR {
    for (size_t v = 0; v < kVectors; ++v) {
      const VI products = Products(segment.codes + at, x + v * x_stride + at);
      const V worth = hn::TableLookupLanes(
          hn::LoadU(d, segment.worth[v] + at / kRun), spread);
      sums[v] = hn::MulAdd(worth, hn::ConvertTo(d, products), sums[v]);
    }
  };
  size_t at = 0;
  for (; at + 2 * chunk <= count; at += 2 * chunk) {
    add(at, even);
    add(at + chunk, odd);
  }
  if (at < count) add(at, even);
}

// Subtracts offsets times sums of activations.
template <size_t kVectors>
HWY_INLINE void SubtractOffsets(const Segment<kVectors>& segment, size_t runs,
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
  const size_t stride = x.run_stride();
  const int16_t* values = x.values() + vector * x.cols();
  const float* steps = x.steps() + vector * stride;
  const float* x_sums = x.sums() + vector * stride;
  Segment<kVectors> segment;
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
    const size_t runs = count / kRun;
    WeighRuns<kVectors>(runs, steps + begin / kRun, stride, segment);
    AddRuns<kRun, kVectors>(segment, count, values + begin, x.cols(), even,
                            odd);
    if constexpr (Format::kOffsets) {
      SubtractOffsets<kVectors>(segment, runs, x_sums + begin / kRun, stride,
                                even, offsets);
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

void ArrangeKernel(const float* HWY_RESTRICT x, size_t cols, size_t run,
                   int16_t* HWY_RESTRICT values, float* HWY_RESTRICT steps,
                   float* HWY_RESTRICT sums) {
  for (size_t at = 0; at < cols; at += run) {
    const Rounded facts = RoundTo16Bits(x + at, run, values + at);
    steps[at / run] = facts.step;
    sums[at / run] = facts.step * static_cast<float>(facts.sum);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {
namespace {

// Weights that share a scale.
uint64_t RunOf(GgmlType type) {
  switch (type) {
    case GgmlType::kQ2_K:
    case GgmlType::kQ3_K:
    case GgmlType::kQ6_K:
      return 16;
    default:
      return 32;
  }
}

}  // namespace

HWY_EXPORT(MultiplyBlocksKernel);
HWY_EXPORT(ArrangeKernel);

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
  constexpr uint64_t kLanes = 16;  // the widest load of steps
  const uint64_t run = RunOf(type);
  type_ = type;
  vectors_ = vectors;
  cols_ = cols;
  run_stride_ = (cols / run + kLanes - 1) / kLanes * kLanes;
  values_.Resize(vectors * cols);
  steps_.Resize(vectors * run_stride_);
  sums_.Resize(vectors * run_stride_);
  for (uint64_t v = 0; v < vectors; ++v) {
    HWY_DYNAMIC_DISPATCH(ArrangeKernel)
    (x + v * cols, cols, run, values_.data() + v * cols,
     steps_.data() + v * run_stride_, sums_.data() + v * run_stride_);
  }
}

void MultiplyBlocks(const std::byte* weights, uint64_t rows,
                    const BlockActivations& x, float* y, uint64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyBlocksKernel)
  (reinterpret_cast<const uint8_t*>(weights), rows, x, y, y_stride);
}

}  // namespace ram
#endif  // HWY_ONCE
