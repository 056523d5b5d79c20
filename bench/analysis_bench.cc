// Speed of the analysis pass over weights that lie in memory: a slice of 1 MiB
// as Analyze reads it.
#include <benchmark/benchmark.h>

#include <cmath>
#include <vector>

#include "ram/analysis/weight_sums.h"
#include "ram/base/random.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr uint64_t kSliceWeights = uint64_t{1} << 19;

std::vector<std::byte> HeavyTailed(DType dtype) {
  const CounterRandom random(42, "analysis_bench");
  std::vector<float> weights(kSliceWeights);
  for (size_t i = 0; i < weights.size(); ++i) {
    const double tail = std::exp(0.5 * random.Normal(2 * i));
    weights[i] = static_cast<float>(0.02 * tail * random.Normal(2 * i + 1));
  }
  std::vector<std::byte> bytes(weights.size() * DTypeBytes(dtype));
  FromFloat(dtype, weights, bytes.data());
  return bytes;
}

// cols, then what else is summed: 0 nothing, 1 columns, 2 columns and signs.
void SumWeights(benchmark::State& state, DType dtype) {
  const std::vector<std::byte> bytes = HeavyTailed(dtype);
  WeightSlice slice;
  slice.dtype = dtype;
  slice.bytes = bytes;
  slice.cols = static_cast<uint64_t>(state.range(0));
  slice.rows = kSliceWeights / slice.cols;
  slice.columns = state.range(1) > 0;
  const std::vector<float> signs(slice.rows, -1.0f);
  if (state.range(1) > 1) slice.signs = signs;
  WeightSummer summer;
  WeightSums sums;
  for (auto _ : state) {
    summer.Sum(slice, sums);
    benchmark::DoNotOptimize(sums.squared_errors);
  }
  state.SetItemsProcessed(state.iterations() *
                          static_cast<int64_t>(slice.rows * slice.cols));
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(bytes.size()));
}

BENCHMARK_CAPTURE(SumWeights, bf16, DType::kBF16)
    ->Args({4096, 0})
    ->Args({4096, 1})
    ->Args({2048, 2})
    ->Args({768, 2});
BENCHMARK_CAPTURE(SumWeights, f16, DType::kF16)->Args({4096, 1});
BENCHMARK_CAPTURE(SumWeights, f32, DType::kF32)->Args({4096, 1});

}  // namespace
}  // namespace ram
