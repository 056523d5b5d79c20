// Weights a second of the affine and the integer codec on one core: a slice of
// 512 rows of 4096 heavy-tailed weights, as a large model has them.
#include <benchmark/benchmark.h>

#include <array>
#include <vector>

#include "ram/base/random.h"
#include "ram/quantization/affine.h"
#include "ram/quantization/packed_int.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr uint64_t kRows = 512;
constexpr uint64_t kCols = 4096;

const std::vector<float>& Weights() {
  static const std::vector<float> weights = [] {
    const CounterRandom random(1, "affine_bench");
    std::vector<float> out(kRows * kCols);
    for (size_t i = 0; i < out.size(); ++i) {
      const double normal = random.Normal(i);
      out[i] = RoundTo(
          DType::kBF16,
          static_cast<float>(0.02 * normal * (1 + 0.1 * normal * normal)));
    }
    return out;
  }();
  return weights;
}

Scheme SchemeOf(const benchmark::State& state) {
  return Affine(static_cast<int>(state.range(0)),
                static_cast<int>(state.range(1)));
}

void Count(benchmark::State& state, size_t schemes) {
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(kRows * kCols * schemes));
}

struct Buffers {
  explicit Buffers(const Scheme& scheme)
      : codes(kRows * AffineCodeBytes(scheme, kCols)),
        scales(kRows * AffineScaleBytes(scheme, kCols)),
        biases(scales.size()) {}
  std::vector<std::byte> codes, scales, biases;
};

void EncodeBench(benchmark::State& state, Encoder encoder) {
  const Scheme scheme = SchemeOf(state);
  Buffers out(scheme);
  for (auto _ : state) {
    benchmark::DoNotOptimize(EncodeAffine(scheme, encoder, DType::kBF16,
                                          Weights(), kCols,
                                          {out.codes, out.scales, out.biases}));
  }
  Count(state, 1);
}
void BM_EncodeMinMax(benchmark::State& state) {
  EncodeBench(state, Encoder::kMinMax);
}
void BM_EncodeSearch(benchmark::State& state) {
  EncodeBench(state, Encoder::kSearch);
}

void BM_Decode(benchmark::State& state) {
  const Scheme scheme = SchemeOf(state);
  Buffers in(scheme);
  EncodeAffine(scheme, Encoder::kMinMax, DType::kBF16, Weights(), kCols,
               {in.codes, in.scales, in.biases});
  std::vector<float> weights(kRows * kCols);
  for (auto _ : state) {
    DecodeAffine(scheme, DType::kBF16, {in.codes, in.scales, in.biases}, kCols,
                 weights);
    benchmark::DoNotOptimize(weights.data());
  }
  Count(state, 1);
}

// Scheme-weights a second: the candidates of a typical hull.
void BM_MeasureSearch(benchmark::State& state) {
  const std::array<Scheme, 7> schemes = {
      Affine(2, 32), Affine(3, 64),  Affine(4, 128), Affine(4, 64),
      Affine(5, 64), Affine(6, 128), Affine(8, 128)};
  std::array<double, schemes.size()> errors;
  for (auto _ : state) {
    MeasureAffineSearch(schemes, DType::kBF16, Weights(), kCols, errors);
    benchmark::DoNotOptimize(errors.data());
  }
  Count(state, schemes.size());
}
void BM_MeasureSearchOne(benchmark::State& state) {
  const std::array<Scheme, 1> schemes = {SchemeOf(state)};
  std::array<double, 1> errors;
  for (auto _ : state) {
    MeasureAffineSearch(schemes, DType::kBF16, Weights(), kCols, errors);
    benchmark::DoNotOptimize(errors.data());
  }
  Count(state, 1);
}

void EncodeIntBench(benchmark::State& state, Encoder encoder) {
  const Scheme scheme = SignedInt(static_cast<int>(state.range(0)),
                                  static_cast<int>(state.range(1)));
  std::vector<std::byte> codes(kRows * PackedIntCodeBytes(scheme, kCols));
  std::vector<std::byte> scales(kRows * PackedIntScaleBytes(scheme, kCols));
  for (auto _ : state) {
    benchmark::DoNotOptimize(EncodePackedInt(
        scheme, encoder, DType::kBF16, Weights(), kCols, {codes, scales}));
  }
  Count(state, 1);
}
void BM_EncodeIntMinMax(benchmark::State& state) {
  EncodeIntBench(state, Encoder::kMinMax);
}
void BM_EncodeIntSearch(benchmark::State& state) {
  EncodeIntBench(state, Encoder::kSearch);
}

BENCHMARK(BM_EncodeMinMax)->ArgsProduct({{2, 3, 4, 8}, {64}});
BENCHMARK(BM_EncodeSearch)->ArgsProduct({{2, 3, 4, 5, 6, 8}, {64}});
BENCHMARK(BM_Decode)->ArgsProduct({{2, 3, 4, 5, 6, 8}, {64}});
BENCHMARK(BM_EncodeIntMinMax)->ArgsProduct({{4, 8}, {128}});
BENCHMARK(BM_EncodeIntSearch)->ArgsProduct({{4, 8}, {32, 128}});
BENCHMARK(BM_MeasureSearch);
BENCHMARK(BM_MeasureSearchOne)->ArgsProduct({{2, 3, 4, 5, 6, 8}, {32, 128}});

}  // namespace
}  // namespace ram
