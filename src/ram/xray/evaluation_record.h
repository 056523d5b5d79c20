// A report.json as the X-ray shows it (docs/report.schema.json).
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/xray/finding.h"

namespace ram {

struct ReportedInterval {
  double value = 0, low = 0, high = 0;
};

struct ReportedWindow {
  uint64_t window = 0;
  double ppl = 0;
  std::string text;
};

struct ReportedModel {
  std::string path;
  std::string name;  // as much of the path's end as tells it from the others
  uint64_t bytes = 0;
  double bits_per_weight = 0;
  uint64_t weights = 0;  // 0: the report does not say
  // Perplexity.
  std::optional<double> ppl, ppl_stderr, mean_ppl, median_ppl;
  std::optional<double> kl_mean, kl_median, kl_p99, top1_agreement;
  std::optional<ReportedInterval> ppl_ratio;
  std::vector<double> window_ppl;
  std::vector<ReportedWindow> outliers;  // the worst first
  // Multiple choice.
  std::optional<double> acc, acc_stderr, acc_norm, acc_norm_stderr;
  std::optional<ReportedInterval> acc_difference, acc_norm_difference;
  std::optional<double> mcnemar_p;
};

struct EvaluationRecord {
  std::string source;      // the file
  std::string task, data;  // of the data's path the last two parts
  std::vector<uint64_t> window_numbers;
  std::vector<ReportedModel> models;  // the first is the baseline
  std::vector<std::string> warnings, agreement;
};

// Throws kCorrupt "SOURCE: FIELD: found ..., expected ...".
EvaluationRecord ParseEvaluation(std::string_view text,
                                 const std::string& source);
EvaluationRecord ReadEvaluation(const std::filesystem::path& path);

// The report in sentences: what was lost, and kWarning where a compressed model
// looks better than its baseline, or the report itself warns.
std::vector<Finding> DescribeEvaluation(const EvaluationRecord& record);

}  // namespace ram
