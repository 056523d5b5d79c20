#include "model_numbers.h"

#include <algorithm>
#include <fstream>
#include <string>
#include <vector>

#include "measure.h"
#include "ram/base/json.h"
#include "ram/base/parallel.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

struct Decoded {
  double tokens_per_second = 0;
  double bytes_per_second = 0;  // of weights
};

// The best of three runs.
Decoded Decode(const ModelPaths& paths, const fs::path& model) {
  Decoded best;
  for (int i = 0; i < 3; ++i) {
    const Json json = RunProgram({(paths.programs / "ram").string(), "generate",
                                  model.string(), "The town lies on the river",
                                  "--raw", "--max-tokens", "64", "--json"})
                          .json();
    const double rate = json["tokens_per_second"].get<double>();
    if (rate > best.tokens_per_second) {
      best = {rate, rate * json["weight_bytes"].get<double>()};
    }
  }
  return best;
}

void Generating(const ModelPaths& paths, const fs::path& model,
                const fs::path& packed, Report& report) {
  report.Heading(fmt::format("Decoding with {}, {} threads",
                             model.filename().string(), ResolveThreads(0)));
  const double memory = MemoryReadRate();
  const Decoded plain = Decode(paths, model);
  const Decoded four = Decode(paths, packed);
  const std::string floor = fmt::format("read {:.1f} GB/s", memory * 1e-9);
  report.Note("BF16", fmt::format("{:.2f} tokens/s", plain.tokens_per_second));
  report.Note("4-bit g64",
              fmt::format("{:.2f} tokens/s", four.tokens_per_second));
  report.Number("BF16, of the memory's rate", plain.bytes_per_second / memory,
                0.8, false, "", floor);
  report.Number("4-bit g64, of the memory's rate",
                four.bytes_per_second / memory, 0.5, false, "", floor);
  report.Number(
      "4-bit over BF16, tokens a second",
      four.tokens_per_second / plain.tokens_per_second, 2.5, false, "",
      fmt::format("bytes {:.2f} times fewer",
                  four.tokens_per_second * plain.bytes_per_second /
                      plain.tokens_per_second / four.bytes_per_second));
}

// Tokens a second of a perplexity run over some windows of 512.
void Reading(const ModelPaths& paths, const fs::path& packed, Report& report) {
  const double products = ProductRate();
  const fs::path text = paths.tokenizer / "sample.txt";
  const Finished run =
      RunProgram({(paths.programs / "ram").string(), "evaluate", "perplexity",
                  packed.string(), "--data", text.string(), "--window", "512",
                  "--windows", "4", "--quiet"});
  constexpr double kTokens = 4 * 512;
  const double weights =
      static_cast<double>(TotalBytes(WeightFiles(packed))) * 8 / 4.5;
  report.Heading("Evaluating it, 4 windows of 512 (loading and all)");
  report.Note("4-bit g64",
              fmt::format("{:.1f} tokens/s", kTokens / run.seconds));
  report.Note("of the rate of bf16 products",
              fmt::format("{:.2f} of {:.0f} GFLOP/s",
                          2 * weights * kTokens / run.seconds / products,
                          products * 1e-9));
}

}  // namespace

void MeasureModel(const ModelPaths& paths, const fs::path& model,
                  Report& report) {
  for (const char* name : {"tokenizer.json", "tokenizer_config.json"}) {
    fs::copy_file(paths.tokenizer / name, model / name,
                  fs::copy_options::skip_existing);
  }
  const fs::path packed = paths.work / "packed";
  fs::remove_all(packed);
  RunProgram({(paths.programs / "ram").string(), "compress", model.string(),
              "--policy", "uniform", "--bits", "4", "--group-size", "64", "-o",
              packed.string(), "--quiet"});
  Generating(paths, model, packed, report);
  Reading(paths, packed, report);
  fs::remove_all(packed);
}

}  // namespace ram
