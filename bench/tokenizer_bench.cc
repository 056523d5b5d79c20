// Bytes a second of Encode on one core with the bundled model's tokenizer: a
// megabyte of prose (the project's own pages, again and again), and one of a
// single word.
#include <benchmark/benchmark.h>

#include <string>

#include "ram/base/file.h"
#include "ram/tokenizer/tokenizer.h"

namespace ram {
namespace {

constexpr size_t kBytes = size_t{1} << 20;

std::string Prose() {
  std::string page;
  for (const char* name : {"/README.md", "/docs/architecture.md",
                           "/docs/metrics.md", "/CONTRIBUTING.md"}) {
    page += ReadTextFile(std::string(RAM_SOURCE_DIR) + name);
  }
  std::string text;
  while (text.size() < kBytes) text += page;
  return text;
}

void Encode(benchmark::State& state, const std::string& text) {
  const auto tokenizer = Tokenizer::Open(RAM_SOURCE_DIR "/models/wiki-dense");
  for (auto _ : state) {
    benchmark::DoNotOptimize(tokenizer->Encode(text));
  }
  state.SetBytesProcessed(static_cast<int64_t>(text.size()) *
                          state.iterations());
}

void BM_EncodeProse(benchmark::State& state) { Encode(state, Prose()); }
BENCHMARK(BM_EncodeProse)->Unit(benchmark::kMillisecond);

void BM_EncodeOneWord(benchmark::State& state) {
  std::string text;
  while (text.size() < kBytes) text += "abcdefghijklmnopqrstuvwxyz";
  Encode(state, text);
}
BENCHMARK(BM_EncodeOneWord)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace ram
