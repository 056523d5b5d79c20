// Bytes of BF16 a second that the encoders of ggml's blocks take in on one
// core, conversion to float included: 512 rows of 4096 heavy-tailed weights.
#include <benchmark/benchmark.h>

#include <string>
#include <vector>

#include "ram/base/random.h"
#include "ram/quantization/gguf_encode.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr uint64_t kRows = 512;
constexpr uint64_t kCols = 4096;

const std::vector<std::byte>& Weights() {
  static const std::vector<std::byte> weights = [] {
    const CounterRandom random(1, "block_encode_bench");
    std::vector<float> floats(kRows * kCols);
    for (size_t i = 0; i < floats.size(); ++i) {
      const double normal = random.Normal(i);
      floats[i] =
          static_cast<float>(0.02 * normal * (1 + 0.1 * normal * normal));
    }
    std::vector<std::byte> out(floats.size() * 2);
    FromFloat(DType::kBF16, floats, out.data());
    return out;
  }();
  return weights;
}

void EncodeBench(benchmark::State& state, GgmlType type, BlockEffort effort) {
  const GgmlTypeFacts& facts = FactsOf(type);
  const std::vector<std::byte>& weights = Weights();
  std::vector<float> row(kCols);
  std::vector<std::byte> out(kCols / facts.block_weights * facts.block_bytes);
  for (auto _ : state) {
    for (uint64_t i = 0; i < kRows; ++i) {
      ToFloat(DType::kBF16, &weights[i * kCols * 2], row);
      benchmark::DoNotOptimize(
          EncodeBlocks(type, effort, row, kCols, {}, out.data()));
    }
  }
  state.SetBytesProcessed(state.iterations() *
                          static_cast<int64_t>(weights.size()));
}

const int kRegistered = [] {
  for (const GgmlType type :
       {GgmlType::kF16, GgmlType::kBF16, GgmlType::kQ8_0, GgmlType::kQ6_K,
        GgmlType::kQ5_K, GgmlType::kQ4_K, GgmlType::kQ3_K, GgmlType::kQ2_K,
        GgmlType::kQ5_0, GgmlType::kQ5_1, GgmlType::kQ4_0, GgmlType::kQ4_1,
        GgmlType::kIQ4_NL, GgmlType::kIQ4_XS}) {
    for (const bool best : {false, true}) {
      const std::string name = "BM_Encode/" + std::string(FactsOf(type).name) +
                               (best ? "/best" : "/fast");
      benchmark::RegisterBenchmark(
          name.c_str(), [type, best](benchmark::State& state) {
            EncodeBench(state, type,
                        best ? BlockEffort::kBest : BlockEffort::kFast);
          });
    }
  }
  return 0;
}();

}  // namespace
}  // namespace ram
