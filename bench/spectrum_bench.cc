// BF16 bytes a second of the spectral metric for the shapes of Qwen3-30B-A3B
// and Qwen3-8B on two threads, beside the floor: the multiplications the
// algorithm needs, at the rate of its innermost loop on data in the first-level
// cache. `rows/cols/1`: a matrix per thread; `rows/cols/2`: both threads on
// one.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <vector>

#include "ram/analysis/gram_kernels.h"
#include "ram/analysis/spectrum.h"
#include "ram/base/parallel.h"
#include "ram/base/random.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr int kThreads = 2;

std::vector<uint16_t> Weights(uint64_t count) {
  const CounterRandom random(1, "spectrum_bench");
  std::vector<uint16_t> weights(count);
  for (uint64_t i = 0; i < count; ++i) {
    // A sum of uniforms is normal enough, and much faster to make.
    const uint64_t bits = random.Bits(i);
    int sum = -2 * 65535;
    for (int part = 0; part < 4; ++part) {
      sum += static_cast<int>(bits >> (16 * part) & 65535);
    }
    weights[i] = FloatToBF16(0x1p-21f * static_cast<float>(sum));
  }
  return weights;
}

// Products a second of one thread.
double ProductRate() {
  static const double rate = [] {
    constexpr size_t kDepth = 64;
    alignas(64) static float a[kDepth * kTile], b[kDepth * kTile];
    alignas(64) static float c[kTile * kTile];
    std::fill(std::begin(a), std::end(a), 0.5f);
    std::fill(std::begin(b), std::end(b), 0.25f);
    double best = 0;
    for (int trial = 0; trial < 20; ++trial) {
      constexpr int kCalls = 1000;
      const auto start = std::chrono::steady_clock::now();
      for (int call = 0; call < kCalls; ++call) {
        MultiplyTile(a, b, kDepth, c, kTile);
        benchmark::DoNotOptimize(c[0]);
      }
      const std::chrono::duration<double> seconds =
          std::chrono::steady_clock::now() - start;
      best = std::max(best, static_cast<double>(kCalls * kTile * kTile) *
                                kDepth / seconds.count());
    }
    return best;
  }();
  return rate;
}

// Of a symmetric reduction to tridiagonal form.
double ReductionProducts(double size) { return 2 * std::pow(size, 3) / 3; }

double Products(uint64_t rows, uint64_t cols) {
  const double size = static_cast<double>(std::min(rows, cols));
  const double gram =
      size * size / 2 * static_cast<double>(std::max(rows, cols));
  if (size <= 2048) return gram + ReductionProducts(size);
  const double basis = 48 * std::floor(17 + size / 1024);
  return gram + size * size * basis + 2 * size * basis * basis +
         ReductionProducts(basis);
}

void BM_Spectrum(benchmark::State& state) {
  const auto rows = static_cast<uint64_t>(state.range(0));
  const auto cols = static_cast<uint64_t>(state.range(1));
  const int inside = static_cast<int>(state.range(2));
  const std::vector<uint16_t> weights = Weights(rows * cols);
  const RowReader read = [&](uint64_t row, std::span<float> out) {
    ToFloat(DType::kBF16,
            reinterpret_cast<const std::byte*>(weights.data() + row * cols),
            out);
  };
  const uint64_t matrices = inside == 1 ? kThreads : 1;
  for (auto _ : state) {
    ParallelFor(matrices, kThreads, [&](uint64_t, int) {
      benchmark::DoNotOptimize(
          MeasureSpectrum(read, rows, cols, 42, "bench", inside));
    });
  }
  const double done =
      static_cast<double>(state.iterations()) * static_cast<double>(matrices);
  state.SetBytesProcessed(
      static_cast<int64_t>(done * 2 * static_cast<double>(rows * cols)));
  // Bytes a second at the floor.
  state.counters["floor"] = benchmark::Counter(
      2 * static_cast<double>(rows * cols) * kThreads * ProductRate() /
          Products(rows, cols),
      benchmark::Counter::kDefaults, benchmark::Counter::kIs1024);
}

BENCHMARK(BM_Spectrum)
    ->Args({768, 2048, 1})
    ->Args({2048, 768, 1})
    ->Args({512, 2048, 1})
    ->Args({4096, 2048, 1})
    ->Args({2048, 4096, 1})
    ->Args({151936, 2048, 2})
    ->Args({1024, 4096, 1})
    ->Args({4096, 4096, 2})
    ->Args({12288, 4096, 2})
    ->Args({4096, 12288, 2})
    ->Args({5120, 17408, 2})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

void BM_FullSpectrum(benchmark::State& state) {
  const auto rows = static_cast<uint64_t>(state.range(0));
  const auto cols = static_cast<uint64_t>(state.range(1));
  const std::vector<uint16_t> weights = Weights(rows * cols);
  const RowReader read = [&](uint64_t row, std::span<float> out) {
    ToFloat(DType::kBF16,
            reinterpret_cast<const std::byte*>(weights.data() + row * cols),
            out);
  };
  for (auto _ : state) {
    benchmark::DoNotOptimize(FullSpectrum(read, rows, cols, kThreads));
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(2 * rows * cols));
}
BENCHMARK(BM_FullSpectrum)
    ->Args({2048, 768})
    ->Args({4096, 2048})
    ->Unit(benchmark::kMillisecond)
    ->UseRealTime();

}  // namespace
}  // namespace ram
