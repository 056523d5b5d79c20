#include "ram/quantization/affine_dot.h"

#include <hwy/cache_control.h>

#include <algorithm>
#include <bit>
#include <cstring>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "ram/quantization/affine_dot.cc"
#include <hwy/foreach_target.h>  // must come before highway.h
#include <hwy/highway.h>

#include "ram/quantization/rounded_activations-inl.h"

HWY_BEFORE_NAMESPACE();
namespace ram {
namespace HWY_NAMESPACE {

namespace hn = hwy::HWY_NAMESPACE;

// Codes are taken in chunks: each 32-bit lane gets the same number of
// consecutive codes, the first half of them in its low 16 bits, the second in
// its high ones. Step k multiplies code k of both halves with two activations
// of 16 bits and adds the products up in 32. So the activations of a chunk lie
// transposed, [k][lane][half].
using LaneTag = hn::CappedTag<float, 16>;
using WordTag = hn::RebindToUnsigned<LaneTag>;
using IntTag = hn::RebindToSigned<LaneTag>;
using V = hn::Vec<LaneTag>;
using VU = hn::Vec<WordTag>;
using VI = hn::Vec<IntTag>;

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
constexpr size_t kLargestGroup = 128;
// Bytes of codes that are asked for ahead of time.
constexpr size_t kAhead = 2048;

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

// Moves the second half of each lane's codes to its high 16 bits.
template <int kBits>
HWY_INLINE VU InHalves(VU codes) {
  if constexpr (kBits == 3 || kBits == 5 || kBits == 6) {
    constexpr int kHalf = kBits * static_cast<int>(CodesPerLane<kBits>() / 2);
    constexpr uint32_t kLow = (1u << kHalf) - 1;
    const WordTag du;
    return hn::Or(
        hn::And(codes, hn::Set(du, kLow)),
        hn::And(hn::ShiftLeft<16 - kHalf>(codes), hn::Set(du, kLow << 16)));
  } else {
    return codes;
  }
}

// sum + code k of each half times its activation.
template <int kBits, size_t k>
HWY_INLINE VI AddProducts(VU codes, VI activations, VI sum) {
  constexpr int kShift = static_cast<int>(k) * kBits;
  constexpr uint32_t kMask = (1u << kBits) - 1;
  const IntTag di;
#if HWY_TARGET <= HWY_AVX2
  const hn::Repartition<uint16_t, WordTag> d16;
  const hn::Repartition<int16_t, WordTag> di16;
  auto code = hn::ShiftRight<kShift>(hn::BitCast(d16, codes));
  if constexpr (kShift + kBits < 16) {
    code = hn::And(code, hn::Set(d16, static_cast<uint16_t>(kMask)));
  }
  const auto a = hn::BitCast(di16, code);
  const auto b = hn::BitCast(di16, activations);
  // On x86 neighbours are added, and nothing goes into the second sum.
  VI none = hn::Zero(di);
  return hn::ReorderWidenMulAccumulate(di, a, b, sum, none);
#else
  const VU mask = hn::Set(WordTag(), kMask);
  const VI low = hn::BitCast(di, hn::And(hn::ShiftRight<kShift>(codes), mask));
  const VI high =
      hn::BitCast(di, hn::And(hn::ShiftRight<kShift + 16>(codes), mask));
  const VI low_x = hn::ShiftRight<16>(hn::ShiftLeft<16>(activations));
  const VI high_x = hn::ShiftRight<16>(activations);
  return hn::Add(sum, hn::Add(hn::Mul(low, low_x), hn::Mul(high, high_x)));
#endif
}

template <int kBits, size_t kRows, size_t kVectors, size_t k>
HWY_INLINE void AddSteps(const VU* HWY_RESTRICT codes,
                         const int16_t* HWY_RESTRICT x, size_t x_stride,
                         VI* HWY_RESTRICT sums) {
  if constexpr (k < CodesPerLane<kBits>() / 2) {
    const IntTag d;
    for (size_t v = 0; v < kVectors; ++v) {
      const int16_t* from = x + v * x_stride + 2 * k * hn::Lanes(d);
      const VI activations =
          hn::Load(d, reinterpret_cast<const int32_t*>(from));
      for (size_t r = 0; r < kRows; ++r) {
        VI& sum = sums[r * kVectors + v];
        sum = AddProducts<kBits, k>(codes[r], activations, sum);
      }
    }
    AddSteps<kBits, kRows, kVectors, k + 1>(codes, x, x_stride, sums);
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

// What a product of a code and an activation is worth in each of `groups`
// groups, for each row and vector, with zeros behind them; adds biases times
// sums to `total`. What lies behind a row belongs to another and may be
// anything.
template <size_t kRows, size_t kVectors>
HWY_INLINE void TakePairs(const Rows& rows, size_t first, size_t groups,
                          const AffineActivations& x, size_t vector,
                          float* HWY_RESTRICT scales, V* HWY_RESTRICT total) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  const size_t stride = x.group_stride();
  const float* sums = x.sums() + vector * stride + first;
  const float* steps = x.steps() + vector * stride + first;
  for (size_t r = 0; r < kRows; ++r) {
    const uint8_t* from = rows.scales + r * rows.scale_stride + 2 * first;
    const uint8_t* from_biases =
        rows.biases + r * rows.scale_stride + 2 * first;
    float* to = scales + r * kVectors * kScaleStride;
    size_t g = 0;
    for (; g < groups; g += lanes) {
      const auto in = hn::FirstN(d, groups - g);
      const V scale =
          hn::IfThenElseZero(in, LoadHalves(rows.dtype, from + 2 * g));
      const V bias =
          hn::IfThenElseZero(in, LoadHalves(rows.dtype, from_biases + 2 * g));
      for (size_t v = 0; v < kVectors; ++v) {
        const V step = hn::LoadU(d, steps + v * stride + g);
        hn::StoreU(hn::Mul(scale, step), d, to + v * kScaleStride + g);
        V& sum = total[r * kVectors + v];
        sum = hn::MulAdd(bias, hn::LoadU(d, sums + v * stride + g), sum);
      }
    }
    if (g >= groups + lanes) continue;
    for (size_t v = 0; v < kVectors; ++v) {
      hn::StoreU(hn::Zero(d), d, to + v * kScaleStride + g);
    }
  }
}

template <int kBits, size_t kRows, size_t kVectors>
HWY_INLINE void MultiplyRows(const Rows& rows, const AffineActivations& x,
                             size_t vector, float* HWY_RESTRICT y,
                             size_t y_stride) {
  const LaneTag d;
  const size_t lanes = hn::Lanes(d);
  const size_t chunk = lanes * CodesPerLane<kBits>();
  const auto group = static_cast<unsigned>(x.scheme().group_size);
  const int shift = std::countr_zero(group);  // groups are powers of two
  const size_t cols = x.cols();
  const int16_t* values = x.values() + vector * x.value_stride();

  HWY_ALIGN float scales[kRows * kVectors * kScaleStride];
  HWY_ALIGN uint32_t group_of_lane[16];
  for (size_t lane = 0; lane < lanes; ++lane) {
    group_of_lane[lane] =
        static_cast<uint32_t>(lane * CodesPerLane<kBits>() >> shift);
  }
  const auto spread = hn::SetTableIndices(d, group_of_lane);

  V total[kRows * kVectors];
  for (V& t : total) t = hn::Zero(d);
  for (size_t begin = 0; begin < cols; begin += kSegment) {
    const size_t end = std::min(cols, begin + kSegment);
    TakePairs<kRows, kVectors>(rows, begin >> shift, (end - begin) >> shift, x,
                               vector, scales, total);
    for (size_t at = begin; at < end; at += chunk) {
      VU codes[kRows];
      VI part[kRows * kVectors];
      for (size_t r = 0; r < kRows; ++r) {
        codes[r] = InHalves<kBits>(
            LoadCodes<kBits>(rows.codes + r * rows.code_stride, at));
        hwy::Prefetch(rows.codes + r * rows.code_stride + at * kBits / 8 +
                      kAhead);
      }
      for (VI& p : part) p = hn::Zero(IntTag());
      AddSteps<kBits, kRows, kVectors, 0>(codes, values + at, x.value_stride(),
                                          part);
      for (size_t i = 0; i < kRows * kVectors; ++i) {
        const V scale = hn::TableLookupLanes(
            hn::LoadU(d, scales + i * kScaleStride + ((at - begin) >> shift)),
            spread);
        total[i] = hn::MulAdd(scale, hn::ConvertTo(d, part[i]), total[i]);
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
  // With one vector memory is what is waited for, and it is read fastest row
  // after row.
  constexpr size_t kBlock = kVectors == 1 ? 1 : 4;
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

// x [cols] -> chunks of codes, [k][lane][half]; of each group the step and the
// sum.
void ArrangeKernel(const Scheme& scheme, const float* HWY_RESTRICT x,
                   size_t cols, int16_t* HWY_RESTRICT out,
                   float* HWY_RESTRICT steps, float* HWY_RESTRICT sums) {
  const size_t lanes = hn::Lanes(LaneTag());
  const size_t per_lane = CodesPerLane(scheme.bits);
  const size_t group = static_cast<size_t>(scheme.group_size);
  HWY_ALIGN int16_t rounded[kLargestGroup];
  for (size_t at = 0; at < cols; at += group) {
    const Rounded facts = RoundTo16Bits(x + at, group, rounded);
    steps[at / group] = facts.step;
    sums[at / group] = facts.step * static_cast<float>(facts.sum);
    for (size_t lane = 0; lane < group; lane += per_lane) {
      const size_t in_chunk = (at + lane) % (lanes * per_lane);
      int16_t* HWY_RESTRICT to =
          out + (at + lane - in_chunk) + 2 * (in_chunk / per_lane);
      for (size_t k = 0; k < per_lane / 2; ++k) {
        to[2 * k * lanes] = rounded[lane + k];
        to[2 * k * lanes + 1] = rounded[lane + per_lane / 2 + k];
      }
    }
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
  group_stride_ = (groups + 2 * kLanes - 1) / kLanes * kLanes;
  values_.Resize(vectors * value_stride_);
  steps_.Resize(vectors * group_stride_);
  sums_.Resize(vectors * group_stride_);
  for (uint64_t v = 0; v < vectors; ++v) {
    // Zeros: what the last chunk has behind the last group.
    int16_t* values = values_.data() + v * value_stride_;
    std::fill(values + cols / kChunk * kChunk, values + value_stride_,
              int16_t{0});
    float* steps = steps_.data() + v * group_stride_;
    float* sums = sums_.data() + v * group_stride_;
    std::fill(steps + groups, steps + group_stride_, 0.0f);
    std::fill(sums + groups, sums + group_stride_, 0.0f);
    HWY_DYNAMIC_DISPATCH(ArrangeKernel)
    (scheme, x + v * cols, cols, values, steps, sums);
  }
}

void MultiplyAffine(const AffineRows& weights, uint64_t rows,
                    const AffineActivations& x, float* y, uint64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(MultiplyKernel)(weights, rows, x, y, y_stride);
}

}  // namespace ram
#endif  // HWY_ONCE
