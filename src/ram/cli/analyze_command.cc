#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/base/error.h"
#include "ram/cli/commands.h"
#include "ram/cli/table.h"
#include "ram/cli/terminal.h"
#include "ram/pipeline/analyze_job.h"

namespace ram {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct AnalyzeArguments {
  std::string model;
  std::string out;
  std::string spectra;  // "", "top", "full"
  bool no_digest = false;
  bool no_search = false;
  std::vector<std::string> schemes = {"affine"};
  std::string effort = "best";
};

// Mean and extremes of one metric over the matrices of a role.
struct Range {
  double low = kInfinity;
  double high = -kInfinity;
  double sum = 0;
  uint64_t count = 0;

  void Add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
    sum += value;
    ++count;
  }
  std::string Text(int decimals) const {
    if (count == 0) return "-";
    const double mean = sum / static_cast<double>(count);
    if (count == 1) return fmt::format("{:.{}f}", mean, decimals);
    return fmt::format("{:.{}f} ({:.{}f} to {:.{}f})", mean, decimals, low,
                       decimals, high, decimals);
  }
};

double SignalToNoise(double nmse) {
  return nmse > 0 ? -10 * std::log10(nmse) : kInfinity;
}

void PrintRoles(const Manifest& manifest) {
  struct Row {
    uint64_t matrices = 0;
    Range kurtosis, snr4, spectral;
  };
  const auto four_bits =
      std::find(manifest.schemes.begin(), manifest.schemes.end(),
                MeasuredScheme{Affine(4, 64), Encoder::kMinMax});
  const auto at = static_cast<size_t>(four_bits - manifest.schemes.begin());
  std::map<std::string, Row> rows;
  for (size_t i = 0; i < manifest.matrices.size(); ++i) {
    const MatrixRecord& record = manifest.matrices[i];
    Row& row = rows[manifest.model.matrices[i].role];
    ++row.matrices;
    row.kurtosis.Add(record.metrics.excess_kurtosis.value_or(NAN));
    row.spectral.Add(record.metrics.spectral_concentration.value_or(NAN));
    if (at < record.nmse.size()) row.snr4.Add(SignalToNoise(record.nmse[at]));
  }
  using enum Table::Align;
  Table table({"role", "matrices", "excess kurtosis", "4-bit g64 min-max, dB",
               "spectral concentration"},
              {kLeft, kRight, kRight, kRight, kRight});
  for (const auto& [role, row] : rows) {
    table.Add({role, FormatCount(row.matrices), row.kurtosis.Text(2),
               row.snr4.Text(1), row.spectral.Text(3)});
  }
  fmt::print("{}\n", table.Text());
}

OrderedJson ToJson(const AnalyzeJobResult& result,
                   const AnalyzeArguments& arguments) {
  return {{"output", arguments.out},
          {"matrices", result.manifest.matrices.size()},
          {"weights", result.manifest.model.weights()},
          {"source_bytes", result.source_bytes},
          {"seconds", result.seconds},
          {"sync_seconds", result.sync_seconds},
          {"peak_memory_bytes", PeakMemoryBytes()}};
}

void Run(const AnalyzeArguments& arguments, const GlobalOptions& global) {
  AnalyzeOptions options;
  options.seed = global.seed;
  options.threads = global.threads;
  options.digests = !arguments.no_digest;
  options.search = !arguments.no_search;
  const auto wants = [&](std::string_view kind) {
    return std::find(arguments.schemes.begin(), arguments.schemes.end(),
                     kind) != arguments.schemes.end();
  };
  options.affine = wants("affine");
  options.blocks = wants("kquant");
  options.ints = wants("int");
  options.fast_blocks = arguments.effort == "fast";
  options.spectra = arguments.spectra == "full"  ? Spectra::kFull
                    : arguments.spectra == "top" ? Spectra::kTop
                                                 : Spectra::kNone;
  options.allow_nonfinite = global.allow_nonfinite;
  const auto progress = MakeProgress(global);
  const AnalyzeJobResult result =
      RunAnalyze(arguments.model, arguments.out, options, *progress);
  if (global.json) {
    fmt::print("{}\n", ToJson(result, arguments).dump(2));
  } else if (!global.quiet) {
    PrintRoles(result.manifest);
    if (const auto note = QuantizedNote(result.manifest.model)) {
      fmt::print("note: {}\n\n", *note);
    }
    fmt::print(
        "{}",
        FactLines({{"analyzed",
                    fmt::format("{} weights, {} in {} ({:.2f} GB/s)",
                                FormatCount(result.manifest.model.weights()),
                                FormatByteSize(result.source_bytes),
                                FormatDuration(result.seconds),
                                static_cast<double>(result.source_bytes) *
                                    1e-9 / result.seconds)},
                   {"peak memory", FormatByteSize(PeakMemoryBytes())},
                   {"written",
                    arguments.out + "/manifest.json, profile.safetensors"}}));
  }
}

}  // namespace

void AddAnalyzeCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "analyze", "Measure every weight matrix; write a manifest");
  command->footer(
      "Example: ram analyze models/wiki-dense -o out/wiki-analysis\n"
      "         ram analyze models/wiki-dense -o out/spectra --spectra\n"
      "         ram analyze models/wiki-dense -o out/all --schemes "
      "affine,kquant,int");
  auto arguments = std::make_shared<AnalyzeArguments>();
  command
      ->add_option("MODEL", arguments->model,
                   "A model directory or .safetensors file")
      ->required();
  command
      ->add_option("-o,--output", arguments->out,
                   "Directory to create, for manifest.json and "
                   "profile.safetensors")
      ->required();
  command
      ->add_option("--spectra", arguments->spectra,
                   "Also measure the spectral metric; 'full': all singular "
                   "values and the heavy-tail exponent (slow)")
      ->expected(0, 1)
      ->default_str("top")
      ->check(CLI::IsMember({"top", "full"}));
  command->add_flag("--no-digest", arguments->no_digest,
                    "Skip the SHA-256 of the files");
  command
      ->add_option("--schemes", arguments->schemes,
                   "Which codecs to measure: affine (targets mlx and native), "
                   "kquant (gguf), int (vllm); several with commas")
      ->delimiter(',')
      ->check(CLI::IsMember({"affine", "kquant", "int"}))
      ->capture_default_str();
  command
      ->add_option("--effort", arguments->effort,
                   "Of kquant's encoders: best, or fast with fewer starts")
      ->check(CLI::IsMember({"best", "fast"}))
      ->capture_default_str();
  command->add_flag("--no-search", arguments->no_search,
                    "Skip measuring the searching encoder: faster, but plans "
                    "made from the manifest use min-max");
  command->callback([arguments, &global] { Run(*arguments, global); });
}

}  // namespace ram
