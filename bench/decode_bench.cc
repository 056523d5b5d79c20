// Bytes a second that a matrix of each storage is multiplied with one vector
// (what generating text does), from memory, on all processors. Beside them the
// floor: the same bytes read and added up.
#include <benchmark/benchmark.h>

#include <atomic>
#include <cstring>
#include <functional>
#include <string>
#include <vector>

#include "ram/base/parallel.h"
#include "ram/base/worker_pool.h"
#include "ram/quantization/affine_dot.h"
#include "ram/quantization/block_dot.h"
#include "ram/quantization/float_dot.h"

namespace ram {
namespace {

constexpr uint64_t kCols = 2048;
constexpr uint64_t kBytes = uint64_t{128} << 20;
constexpr uint64_t kRowsAtOnce = 32;
constexpr uint64_t kMaxVectors = 8;

WorkerPool& Pool() {
  static WorkerPool pool(ResolveThreads(0));
  return pool;
}

// Small normal numbers whatever they are taken for.
const std::vector<std::byte>& Weights() {
  static const std::vector<std::byte> weights(kBytes + kDotPadding,
                                              std::byte{0x2A});
  return weights;
}

const std::vector<float>& Activations() {
  static const std::vector<float> x(kMaxVectors * kCols, 0.5f);
  return x;
}

// rows(first, count, y) multiplies `count` rows.
void Measure(benchmark::State& state, uint64_t row_bytes,
             const std::function<void(uint64_t, uint64_t, float*)>& multiply) {
  const uint64_t items = kBytes / row_bytes / kRowsAtOnce;
  Weights();  // made before the clock runs
  std::vector<float> y((items + 1) * kRowsAtOnce * kMaxVectors);
  for (auto _ : state) {
    Pool().Run(items, [&](uint64_t item) {
      multiply(item * kRowsAtOnce, kRowsAtOnce, y.data() + item * kRowsAtOnce);
    });
    benchmark::DoNotOptimize(y.data());
  }
  const int64_t rows =
      state.iterations() * static_cast<int64_t>(items * kRowsAtOnce);
  state.SetBytesProcessed(rows * static_cast<int64_t>(row_bytes));
  state.SetItemsProcessed(rows * static_cast<int64_t>(kCols));
}

void BM_Read(benchmark::State& state) {
  std::atomic<uint64_t> sum{0};
  Measure(state, kCols, [&](uint64_t first, uint64_t count, float*) {
    uint64_t sums[8] = {};
    const std::byte* from = Weights().data() + first * kCols;
    for (uint64_t i = 0; i < count * kCols; i += sizeof sums) {
      uint64_t words[8];
      std::memcpy(words, from + i, sizeof words);
      for (int j = 0; j < 8; ++j) sums[j] += words[j];
    }
    for (const uint64_t s : sums) sum += s;
  });
}
BENCHMARK(BM_Read)->UseRealTime();

void BM_Float(benchmark::State& state) {
  const auto dtype = static_cast<DType>(state.range(0));
  const uint64_t row_bytes = kCols * DTypeBytes(dtype);
  state.SetLabel(std::string(DTypeName(dtype)));
  Measure(state, row_bytes, [&](uint64_t first, uint64_t count, float* y) {
    MultiplyFloats(dtype, Weights().data() + first * row_bytes, count, kCols,
                   Activations().data(), 1, y, count);
  });
}
BENCHMARK(BM_Float)
    ->Arg(static_cast<int>(DType::kBF16))
    ->Arg(static_cast<int>(DType::kF16))
    ->Arg(static_cast<int>(DType::kF32))
    ->UseRealTime();

void BM_Affine(benchmark::State& state) {
  const Scheme scheme = Affine(static_cast<int>(state.range(0)),
                               static_cast<int>(state.range(1)));
  const uint64_t vectors = static_cast<uint64_t>(state.range(2));
  const uint64_t code_bytes = AffineCodeBytes(scheme, kCols);
  const uint64_t scale_bytes = AffineScaleBytes(scheme, kCols);
  const uint64_t row_bytes = code_bytes + 2 * scale_bytes;
  state.SetLabel(SchemeLabel(scheme));
  AffineActivations x;
  x.Arrange(scheme, Activations().data(), vectors, kCols);
  const uint64_t rows = kBytes / row_bytes / kRowsAtOnce * kRowsAtOnce;
  const std::byte* codes = Weights().data();
  const std::byte* scales = codes + rows * code_bytes;
  const std::byte* biases = scales + rows * scale_bytes;
  Measure(state, row_bytes, [&](uint64_t first, uint64_t count, float* y) {
    MultiplyAffine({codes + first * code_bytes, scales + first * scale_bytes,
                    biases + first * scale_bytes, DType::kBF16},
                   count, x, y, rows);
  });
}
BENCHMARK(BM_Affine)
    ->ArgsProduct({{2, 3, 4, 5, 6, 8}, {32, 64, 128}, {1}})
    ->ArgsProduct({{4}, {64}, {4, 8}})
    ->UseRealTime();

void BM_Blocks(benchmark::State& state) {
  const auto type = static_cast<GgmlType>(state.range(0));
  const GgmlTypeFacts& facts = FactsOf(type);
  const uint64_t row_bytes = kCols / facts.block_weights * facts.block_bytes;
  state.SetLabel(std::string(facts.name));
  BlockActivations x;
  x.Arrange(type, Activations().data(), 1, kCols);
  Measure(state, row_bytes, [&](uint64_t first, uint64_t count, float* y) {
    MultiplyBlocks(Weights().data() + first * row_bytes, count, x, y, count);
  });
}
BENCHMARK(BM_Blocks)
    ->ArgsProduct({{2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23}})
    ->UseRealTime();

}  // namespace
}  // namespace ram
