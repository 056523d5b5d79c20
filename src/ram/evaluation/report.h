// report.json: what an evaluation found (docs/report.schema.json).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/evaluation/few_shot.h"
#include "ram/evaluation/multiple_choice.h"
#include "ram/evaluation/perplexity.h"
#include "ram/evaluation/windows.h"

namespace ram {

inline constexpr int kReportVersion = 1;
inline constexpr size_t kReportedOutliers = 20;

struct EvaluatedModel {
  std::string path;
  uint64_t bytes = 0;  // of the weight files
  double bits_per_weight = 0;
  double nominal_bits = 0;
  uint64_t weights = 0;  // scales apart
};

// What both kinds of report begin with.
struct ReportHeader {
  std::string task;  // "perplexity", "arc", "hellaswag"
  std::string data;  // path
  std::string data_sha256;
  ComputeType compute = ComputeType::kBF16;
  std::vector<EvaluatedModel> models;  // the first is the baseline
  std::vector<std::string> warnings;
  // Do the measures order the models alike?
  std::vector<std::string> agreement;
};

struct PerplexityReport {
  ReportHeader header;
  WindowOptions options;
  uint64_t windows_available = 0;
  std::vector<uint64_t> windows;          // numbers of the chosen ones
  std::vector<int32_t> start_tokens;      // the prefix
  std::vector<PerplexityResult> results;  // parallel to header.models
  // Of every model's outliers, as many as are reported.
  std::vector<std::vector<std::string>> outlier_texts;
};

struct ChoiceReport {
  ReportHeader header;
  std::string shots_data;
  std::string shots_sha256;
  ShotOptions shots;
  bool start_tokens = true;
  uint64_t items = 0;
  uint64_t items_available = 0;
  uint64_t truncated = 0;  // choices cut from the left
  uint64_t computed_tokens = 0;
  uint64_t prompt_tokens = 0;
  std::vector<ChoiceResult> results;  // parallel to header.models
  // Against the baseline; none for itself.
  std::vector<std::optional<ChoiceComparison>> acc;
  std::vector<std::optional<ChoiceComparison>> acc_norm;
};

OrderedJson ReportToJson(const PerplexityReport& report);
OrderedJson ReportToJson(const ChoiceReport& report);
// Two spaces, a line feed at the end; bytes that are not UTF-8 become U+FFFD.
std::string ReportText(const OrderedJson& report);

// Perplexity as a share of the baseline's, in per cent lost per step of
// compression: 100 (ratio - 1) / (baseline bytes / bytes - 1); nullopt where
// nothing was compressed.
std::optional<double> DegradationPerCompression(double ratio,
                                                uint64_t baseline_bytes,
                                                uint64_t bytes);

// What a perplexity report says, as far as other measures are compared with
// it.
struct PerplexityRecord {
  struct Entry {
    std::string path;
    std::vector<WindowTotal> windows;
    std::vector<double> window_kl;  // empty: baseline, or not in the report
  };
  std::vector<Entry> models;
};
// Throws kIo, and kCorrupt naming the file and the field.
PerplexityRecord ReadPerplexityReport(const std::filesystem::path& path);

}  // namespace ram
