#include "ram/quantization/affine_dot.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/quantization/affine_dot.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Codes are taken in chunks: each 32-bit lane gets the same number of
// consecutive codes, and step k multiplies code k of every lane. So the
// activations of a chunk lie transposed, [k][lane].
using LaneTag = hn::CappedTag<float, 16>;
using WordTag = hn::RebindToUnsigned<LaneTag>;
using IntTag = hn::RebindToSigned<LaneTag>;
using V = hn::Vec<LaneTag>;
using VU = hn::Vec<WordTag>;

template <int kBits>
constexpr size_t CodesPerLane() {
  return kBits == 2 ? 16 : kBits <= 4 ? 8 : 4;
}
constexpr size_t CodesPerLane(int bits) {
  return bits == 2 ? 16 : bits <= 4 ? 8 : 4;
}

// Scales and biases are made floats for so many codes at a time: a multiple
// of every chunk and group.
constexpr size_t kSegment = 4096;
constexpr size_t kScaleStride = kSegment / 32 + 16;

// Where lane i finds its bytes, for the widths whose lanes are not whole
// words. `words`: which word of memory each lane of the load takes, so that
// each 128-bit block holds the bytes of its own four lanes; `bytes`: the place
// within the block.
template <int kBits>
struct Spread {
  HWY_ALIGN uint32_t words[16];
  HWY_ALIGN uint8_t bytes[64];

  constexpr Spread() : words(), bytes() {
    for (size_t lane = 0; lane < 16; ++lane) {
      const size_t block = lane / 4;
      const size_t first_word = BlockByte(block) / 4;
      words[lane] = static_cast<uint32_t>(first_word + lane % 4);
      const size_t at = kBits == 5 ? (lane / 2) * 5 + (lane % 2) * 2 : lane * 3;
      for (size_t i = 0; i < 4; ++i) {
        // The fourth byte is not used; it only has to exist.
        const size_t place = at - 4 * first_word + (i < 3 ? i : 0);
        bytes[4 * lane + i] = static_cast<uint8_t>(place);
      }
    }
  }
  static constexpr size_t BlockByte(size_t block) {
    return kBits == 5 ? 10 * block : 12 * block;
  }
};

// The codes from number `at` of a row on, a chunk of them.
template <int kBits>
HWY_INLINE VU LoadCodes(const uint8_t* HWY_RESTRICT row, size_t at) {
  const uint8_t* HWY_RESTRICT from = row + at * kBits / 8;
  const WordTag du;
#if HWY_TARGET == HWY_SCALAR
  uint32_t word;
  std::memcpy(&word, from, sizeof word);
  return hn::Set(du, kBits == 5 && at % 8 != 0 ? word >> 4 : word);
#else
  const hn::Repartition<uint8_t, WordTag> d8;
  VU codes = hn::BitCast(du, hn::LoadU(d8, from));
  if constexpr (kBits == 3 || kBits == 5 || kBits == 6) {
    static constexpr Spread<kBits> kSpread;
    if constexpr (hn::MaxLanes(LaneTag()) > 4) {
      codes =
          hn::TableLookupLanes(codes, hn::SetTableIndices(du, kSpread.words));
    }
    codes = hn::BitCast(du, hn::TableLookupBytes(hn::BitCast(d8, codes),
                                                 hn::Load(d8, kSpread.bytes)));
    // Odd lanes begin in the middle of a byte.
    if constexpr (kBits == 5) {
      codes = hn::OddEven(hn::ShiftRight<4>(codes), codes);
    }
  }
  return codes;
#endif
}

// Code k of every lane.
template <int kBits, size_t k>
HWY_INLINE V CodeAt(VU codes, V table) {
  const LaneTag d;
  const WordTag du;
  const VU shifted = hn::ShiftRight<static_cast<int>(k) * kBits>(codes);
#if HWY_TARGET <= HWY_AVX3 && !HWY_IS_DEBUG_BUILD
  // The instruction looks at 4 bits alone, and the table repeats itself.
  if constexpr (kBits <= 4 && hn::MaxLanes(LaneTag()) == 16) {
    return hn::TableLookupLanes(table, hn::IndicesFromVec(d, shifted));
  }
#endif
  (void)table;
  const VU code = hn::And(shifted, hn::Set(du, (1u << kBits) - 1));
  return hn::ConvertTo(d, hn::BitCast(IntTag(), code));
}

template <int kBits>
HWY_INLINE V CodeTable() {
  const LaneTag d;
  const VU code = hn::And(hn::Iota(WordTag(), 0),
                          hn::Set(WordTag(), (1u << (kBits & 7)) - 1));
  return hn::ConvertTo(d, hn::BitCast(IntTag(), code));
}

template <int kBits, size_t kRows, size_t kVectors, size_t k>
HWY_INLINE void AddSteps(const VU* HWY_RESTRICT codes, V table,
                         const float* HWY_RESTRICT x, size_t x_stride,
                         V* HWY_RESTRICT sums) {
  if constexpr (k < CodesPerLane<kBits>()) {
    const LaneTag d;
    V values[kRows];
    for (size_t r = 0; r < kRows; ++r) {
      values[r] = CodeAt<kBits, k>(codes[r], table);
    }
    for (size_t v = 0; v < kVectors; ++v) {
      const V activation = hn::LoadU(d, x + v * x_stride + k * hn::Lanes(d));
      for (size_t r = 0; r < kRows; ++r) {
        sums[r * kVectors + v] =
            hn::MulAdd(values[r], activation, sums[r * kVectors + v]);
      }
    }
    AddSteps<kBits, kRows, kVectors, k + 1>(codes, table, x, x_stride, sums);
  }
}

// Places in AffineRows.
struct Rows {
  Rows(const AffineRows& weights, const AffineActivations& x)
      : codes(reinterpret_cast<const uint8_t*>(weights.codes)),
        scales(reinterpret_cast<const uint8_t*>(weights.scales)),
        biases(reinterpret_cast<const uint8_t*>(weights.biases)),
        code_stride(AffineCodeBytes(x.scheme(), x.cols())),
        scale_stride(AffineScaleBytes(x.scheme(), x.cols())),
        dtype(weights.scale_dtype) {}

  void Advance(size_t rows) {
    codes += rows * code_stride;
    scales += rows * scale_stride;
    biases += rows * scale_stride;
  }

  const uint8_t* codes;
  const uint8_t* scales;
  const uint8_t* biases;
  size_t code_stride;
  size_t scale_stride;
  DType dtype;
};

// A vector of stored 16-bit floats.
HWY_INLINE V LoadHalves(DType dtype, const uint8_t* HWY_RESTRICT from) {
  const LaneTag d;
  const hn::Rebind<uint16_t, LaneTag> d16;
  const auto bits = hn::LoadU(d16, reinterpret_cast<const uint16_t*>(from));
  if (dtype == DType::kBF16) {
    return hn::BitCast(d, hn::ShiftLeft<16>(hn::PromoteTo(WordTag(), bits)));
  }
  const hn::Rebind<hwy::float16_t, LaneTag> df16;
  return hn::PromoteTo(d, hn::BitCast(df16, bits));
}

// The scales of `groups` groups of each row as floats, with zeros behind them;
// adds biases times sums to `total`. What lies behind a row belongs to another
// and may be anything.
template <size_t kRows, size_t kVectors>
HWY_INLINE void TakePairs(const Rows& rows, size_t first, size_t groups,
                          const float* HWY_RESTRICT sums, size_t sum_stride,
                          float* HWY_RESTRICT scales, V* HWY_RESTRICT total) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  for (size_t r = 0; r < kRows; ++r) {
    const uint8_t* from = rows.scales + r * rows.scale_stride + 2 * first;
    const uint8_t* from_biases =
        rows.biases + r * rows.scale_stride + 2 * first;
    float* to = scales + r * kScaleStride;
    size_t g = 0;
    for (; g < groups; g += lanes) {
      const auto in = hn::FirstN(d, groups - g);
      const V scale = LoadHalves(rows.dtype, from + 2 * g);
      hn::StoreU(hn::IfThenElseZero(in, scale), d, to + g);
      const V bias =
          hn::IfThenElseZero(in, LoadHalves(rows.dtype, from_biases + 2 * g));
      for (size_t v = 0; v < kVectors; ++v) {
        V& sum = total[r * kVectors + v];
        sum = hn::MulAdd(bias, hn::LoadU(d, sums + v * sum_stride + first + g),
                         sum);
      }
    }
    if (g < groups + lanes) hn::StoreU(hn::Zero(d), d, to + g);
  }
}

template <int kBits, size_t kRows, size_t kVectors>
HWY_INLINE void MultiplyRows(const Rows& rows, const AffineActivations& x,
                             size_t vector, float* HWY_RESTRICT y,
                             size_t y_stride) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  const size_t chunk = lanes * CodesPerLane<kBits>();
  const size_t group = static_cast<size_t>(x.scheme().group_size);
  const size_t cols = x.cols();
  const float* values = x.values() + vector * x.value_stride();
  const float* sums = x.sums() + vector * x.sum_stride();
  const V table = CodeTable<kBits>();

  HWY_ALIGN float scales[kRows * kScaleStride];
  HWY_ALIGN uint32_t group_of_lane[16];
  for (size_t lane = 0; lane < lanes; ++lane) {
    group_of_lane[lane] =
        static_cast<uint32_t>(lane * CodesPerLane<kBits>() / group);
  }
  const auto spread = hn::SetTableIndices(d, group_of_lane);

  V total[kRows * kVectors];
  for (V& t : total) t = hn::Zero(d);
  for (size_t begin = 0; begin < cols; begin += kSegment) {
    const size_t end = std::min(cols, begin + kSegment);
    TakePairs<kRows, kVectors>(rows, begin / group, (end - begin) / group, sums,
                               x.sum_stride(), scales, total);
    for (size_t at = begin; at < end; at += chunk) {
      VU codes[kRows];
      V part[kRows * kVectors];
      for (size_t r = 0; r < kRows; ++r) {
        codes[r] = LoadCodes<kBits>(rows.codes + r * rows.code_stride, at);
        // The same place in the next block of rows: rows are so short that
        // the processor does not see where reading goes on.
        hwy::Prefetch(rows.codes + (r + kRows) * rows.code_stride +
                      at * kBits / 8);
      }
      for (V& p : part) p = hn::Zero(d);
      AddSteps<kBits, kRows, kVectors, 0>(codes, table, values + at,
                                          x.value_stride(), part);
      for (size_t r = 0; r < kRows; ++r) {
        const V scale = hn::TableLookupLanes(
            hn::LoadU(d, scales + r * kScaleStride + (at - begin) / group),
            spread);
        for (size_t v = 0; v < kVectors; ++v) {
          total[r * kVectors + v] = hn::MulAdd(scale, part[r * kVectors + v],
                                               total[r * kVectors + v]);
        }
      }
    }
  }
  for (size_t r = 0; r < kRows; ++r) {
    for (size_t v = 0; v < kVectors; ++v) {
      y[v * y_stride + r] =
          hn::GetLane(hn::SumOfLanes(d, total[r * kVectors + v]));
    }
  }
}

template <int kBits, size_t kVectors>
HWY_NOINLINE void MultiplyVectors(Rows rows, size_t count,
                                  const AffineActivations& x, size_t vector,
                                  float* HWY_RESTRICT y, size_t y_stride) {
  constexpr size_t kBlock = 4;
  size_t r = 0;
  for (; r + kBlock <= count; r += kBlock) {
    MultiplyRows<kBits, kBlock, kVectors>(rows, x, vector, y + r, y_stride);
    rows.Advance(kBlock);
  }
  for (; r < count; ++r) {
    MultiplyRows<kBits, 1, kVectors>(rows, x, vector, y + r, y_stride);
    rows.Advance(1);
  }
}

template <int kBits>
HWY_INLINE void MultiplyAll(const Rows& rows, size_t count,
                            const AffineActivations& x, float* HWY_RESTRICT y,
                            size_t y_stride) {
  size_t v = 0;
  for (; v + 4 <= x.vectors(); v += 4) {
    MultiplyVectors<kBits, 4>(rows, count, x, v, y + v * y_stride, y_stride);
  }
  for (; v < x.vectors(); ++v) {
    MultiplyVectors<kBits, 1>(rows, count, x, v, y + v * y_stride, y_stride);
  }
}

void MultiplyKernel(const AffineRows& weights, size_t count,
                    const AffineActivations& x, float* HWY_RESTRICT y,
                    size_t y_stride) {
  const Rows rows(weights, x);
  switch (x.scheme().bits) {
    case 2:
      return MultiplyAll<2>(rows, count, x, y, y_stride);
    case 3:
      return MultiplyAll<3>(rows, count, x, y, y_stride);
    case 4:
      return MultiplyAll<4>(rows, count, x, y, y_stride);
    case 5:
      return MultiplyAll<5>(rows, count, x, y, y_stride);
    case 6:
      return MultiplyAll<6>(rows, count, x, y, y_stride);
    default:
      return MultiplyAll<8>(rows, count, x, y, y_stride);
  }
}

// x [cols] -> out: chunks [k][lane], zeros behind the end; the sum of each
// group.
void ArrangeKernel(const Scheme& scheme, const float* HWY_RESTRICT x,
                   size_t cols, float* HWY_RESTRICT out,
                   float* HWY_RESTRICT sums) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  const size_t per_lane = CodesPerLane(scheme.bits);
  const size_t chunk = lanes * per_lane;
  const auto places = hn::Mul(
      hn::Iota(IntTag(), 0), hn::Set(IntTag(), static_cast<int32_t>(per_lane)));
  size_t at = 0;
  for (; at + chunk <= cols; at += chunk) {
    for (size_t k = 0; k < per_lane; ++k) {
      hn::StoreU(hn::GatherIndex(d, x + at + k, places), d,
                 out + at + k * lanes);
    }
  }
  for (size_t i = at; i < cols; i += per_lane) {
    const size_t lane = (i - at) / per_lane;
    for (size_t k = 0; k < per_lane; ++k) {
      out[at + k * lanes + lane] = x[i + k];
    }
  }
  const size_t group = static_cast<size_t>(scheme.group_size);
  for (size_t g = 0; g < cols / group; ++g) {
    V sum = hn::Zero(d);
    for (size_t i = 0; i < group; i += lanes) {
      sum = hn::Add(sum, hn::LoadU(d, x + g * group + i));
    }
    sums[g] = hn::GetLane(hn::SumOfLanes(d, sum));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace ram
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace ram {

HWY_EXPORT(MultiplyKernel);
HWY_EXPORT(ArrangeKernel);

void AffineActivations::Arrange(const Scheme& scheme, const float* x,
                                uint64_t vectors, uint64_t cols) {
  // The longest chunk of codes; the widest load of sums.
  constexpr uint64_t kChunk = 256, kLanes = 16;
  const uint64_t group = static_cast<uint64_t>(scheme.group_size);
  const uint64_t groups = cols / group;
  scheme_ = scheme;
  vectors_ = vectors;
  cols_ = cols;
  value_stride_ = (cols + kChunk - 1) / kChunk * kChunk;
  sum_stride_ = (groups + 2 * kLanes - 1) / kLanes * kLanes;
  values_.Resize(vectors * value_stride_);
  sums_.Resize(vectors * sum_stride_);
  for (uint64_t v = 0; v < vectors; ++v) {
    // Zeros: what the last chunk has behind the last group.
    float* values = values_.data() + v * value_stride_;
    std::fill(values + cols / kChunk * kChunk, values + value_stride_, 0.0f);
    float* sums = sums_.data() + v * sum_stride_;
    std::fill(sums + groups, sums + sum_stride_, 0.0f);
    HWY_DYNAMIC_DISPATCH(ArrangeKernel)
    (scheme, x + v * cols, cols, values, sums);
  }
}

void MultiplyAffine(const AffineRows& weights, uint64_t rows,
                    const AffineActivations& x, float* y, uint64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyKernel)(weights, rows, x, y, y_stride);
}

}  // namespace ram
#endif  // HWY_ONCE
