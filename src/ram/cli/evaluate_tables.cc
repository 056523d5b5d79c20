#include "ram/cli/evaluate_tables.h"

#include <fmt/format.h>

#include <algorithm>

#include "ram/base/byte_size.h"
#include "ram/cli/table.h"

namespace ram {
namespace {

constexpr size_t kTextColumns = 60;
using enum Table::Align;

std::string PlusMinus(const Estimate& estimate, int decimals) {
  return fmt::format("{:.{}f} ± {:.{}f}", estimate.value, decimals,
                     estimate.standard_error, decimals);
}

std::string Percent(double share, int decimals = 1) {
  return fmt::format("{:.{}f} %", 100 * share, decimals);
}

// Model paths without what all of them begin with.
std::vector<std::string> ShortNames(const std::vector<EvaluatedModel>& models) {
  std::vector<std::string> names;
  for (const EvaluatedModel& model : models) {
    std::string name = model.path;
    while (name.size() > 1 && name.ends_with('/')) name.pop_back();
    names.push_back(name.substr(name.rfind('/') + 1));
  }
  for (size_t i = 0; i < names.size(); ++i) {
    if (std::count(names.begin(), names.end(), names[i]) > 1) {
      for (size_t j = 0; j < names.size(); ++j) names[j] = models[j].path;
      break;
    }
  }
  return names;
}

std::string RatioText(const Interval& ratio) {
  return fmt::format("{:.4f} ({:.4f} to {:.4f}){}", ratio.value, ratio.low,
                     ratio.high, ratio.Contains(1) ? " no difference" : "");
}

std::string TokensPerSecond(const PerplexityResult& result) {
  if (result.seconds <= 0) return "-";
  return FormatCount(static_cast<uint64_t>(static_cast<double>(result.tokens) /
                                           result.seconds));
}

std::string PerplexityTable(const PerplexityReport& report,
                            const std::vector<std::string>& names) {
  Table table({"model", "size", "bpw", "nominal", "PPL ± s.e.", "median",
               "trimmed", "P95", "P99", "outliers", "seconds", "tokens/s"},
              {kLeft, kRight, kRight, kRight, kRight, kRight, kRight, kRight,
               kRight, kRight, kRight, kRight});
  for (size_t i = 0; i < names.size(); ++i) {
    const EvaluatedModel& model = report.header.models[i];
    const PerplexityResult& result = report.results[i];
    table.Add(
        {names[i], FormatByteSize(model.bytes),
         fmt::format("{:.2f}", model.bits_per_weight),
         fmt::format("{:.2f}", model.nominal_bits), PlusMinus(result.pooled, 3),
         fmt::format("{:.3f}", result.median),
         fmt::format("{:.3f}", result.trimmed),
         fmt::format("{:.1f}", result.p95), fmt::format("{:.1f}", result.p99),
         FormatCount(result.outliers.size()),
         fmt::format("{:.1f}", result.seconds), TokensPerSecond(result)});
  }
  return table.Text();
}

std::string DistanceTable(const PerplexityReport& report,
                          const std::vector<std::string>& names) {
  Table table({"against " + names[0], "KL mean", "KL median", "KL 99 %",
               "KL 99.9 %", "same top-1", "flips lost/gained", "RMS dp",
               "PPL ratio (95 %)", "% per compression"},
              {kLeft, kRight, kRight, kRight, kRight, kRight, kRight, kRight,
               kRight, kRight});
  for (size_t i = 1; i < names.size(); ++i) {
    const DistributionDistance& distance = *report.results[i].distance;
    const auto degradation = DegradationPerCompression(
        distance.perplexity_ratio.value, report.header.models[0].bytes,
        report.header.models[i].bytes);
    table.Add({names[i],
               PlusMinus({distance.kl_mean, distance.kl_standard_error}, 5),
               fmt::format("{:.5f}", distance.kl_median),
               fmt::format("{:.4f}", distance.kl_p99),
               fmt::format("{:.3f}", distance.kl_p999),
               Percent(distance.top1_agreement, 2),
               fmt::format("{} / {}", Percent(distance.flips_lost, 2),
                           Percent(distance.flips_gained, 2)),
               Percent(distance.rms_probability_change, 2),
               RatioText(distance.perplexity_ratio),
               degradation ? fmt::format("{:.2f}", *degradation) : "-"});
  }
  return table.Text();
}

// The first columns of a text, on one line.
std::string Beginning(std::string_view text) {
  std::string line;
  size_t columns = 0;
  for (const char c : text) {
    const bool starts = (static_cast<unsigned char>(c) & 0xc0) != 0x80;
    if (starts && ++columns > kTextColumns) return line + "...";
    line += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return line;
}

std::string OutlierTable(const PerplexityReport& report,
                         const std::vector<std::string>& names) {
  Table table({"outlier windows of", "window", "PPL", "text"},
              {kLeft, kRight, kRight, kLeft});
  bool any = false;
  for (size_t i = 0; i < names.size(); ++i) {
    for (size_t j = 0; j < report.outlier_texts[i].size(); ++j) {
      const size_t window = report.results[i].outliers[j];
      const WindowTotal& total = report.results[i].windows[window];
      table.Add({names[i], FormatCount(report.windows[window]),
                 fmt::format("{:.1f}", PooledPerplexity({&total, 1}).value),
                 Beginning(report.outlier_texts[i][j])});
      any = true;
    }
  }
  return any ? "\n" + table.Text() : "";
}

std::string Remarks(const ReportHeader& header) {
  std::string text;
  for (const std::string& line : header.agreement) {
    text += fmt::format("agreement: {}\n", line);
  }
  for (const std::string& line : header.warnings) {
    text += fmt::format("warning: {}\n", line);
  }
  return text.empty() ? text : "\n" + text;
}

std::string DifferenceText(const std::optional<ChoiceComparison>& comparison) {
  if (!comparison) return "-";
  const Interval& difference = comparison->difference;
  return fmt::format("{:+.2f} % ({:+.2f} to {:+.2f}), p {:.3f}{}",
                     100 * difference.value, 100 * difference.low,
                     100 * difference.high, comparison->paired.p_value,
                     comparison->differs() ? "" : ": no difference");
}

std::string ShareText(const Estimate& estimate) {
  return fmt::format("{:.2f} ± {:.2f} %", 100 * estimate.value,
                     100 * estimate.standard_error);
}

std::string ChoiceTable(const ChoiceReport& report,
                        const std::vector<std::string>& names) {
  Table table({"model", "size", "bpw", "acc", "acc_norm", "seconds"},
              {kLeft, kRight, kRight, kRight, kRight, kRight});
  for (size_t i = 0; i < names.size(); ++i) {
    const EvaluatedModel& model = report.header.models[i];
    const ChoiceResult& result = report.results[i];
    table.Add({names[i], FormatByteSize(model.bytes),
               fmt::format("{:.2f}", model.bits_per_weight),
               ShareText(result.acc), ShareText(result.acc_norm),
               fmt::format("{:.1f}", result.seconds)});
  }
  return table.Text();
}

std::string ChoiceDifferenceTable(const ChoiceReport& report,
                                  const std::vector<std::string>& names) {
  Table table(
      {"against " + names[0], "acc: difference (95 %), McNemar", "retention",
       "acc_norm: difference (95 %), McNemar", "retention"},
      {kLeft, kRight, kRight, kRight, kRight});
  for (size_t i = 1; i < names.size(); ++i) {
    table.Add({names[i], DifferenceText(report.acc[i]),
               Percent(report.acc[i]->retention),
               DifferenceText(report.acc_norm[i]),
               Percent(report.acc_norm[i]->retention)});
  }
  return table.Text();
}

}  // namespace

std::string ReportForPeople(const PerplexityReport& report) {
  const std::vector<std::string> names = ShortNames(report.header.models);
  std::string text = fmt::format(
      "{}: {} of {} windows of {} tokens, start tokens ({}) before {}\n\n",
      report.header.data, report.windows.size(), report.windows_available,
      report.options.window, report.start_tokens.size(),
      report.options.prefix == PrefixTokens::kAll     ? "every window"
      : report.options.prefix == PrefixTokens::kFirst ? "the first window"
                                                      : "none");
  text += PerplexityTable(report, names);
  if (names.size() > 1) text += "\n" + DistanceTable(report, names);
  return text + OutlierTable(report, names) + Remarks(report.header);
}

std::string ReportForPeople(const ChoiceReport& report) {
  const std::vector<std::string> names = ShortNames(report.header.models);
  std::string text = fmt::format(
      "{}: {} of {} items, {} shots{}; {} tokens computed instead of {}\n\n",
      report.header.data, report.items, report.items_available,
      report.shots.shots,
      report.shots.per_item ? " drawn for each" : ", the same for all",
      FormatCount(report.computed_tokens), FormatCount(report.prompt_tokens));
  text += ChoiceTable(report, names);
  if (names.size() > 1) text += "\n" + ChoiceDifferenceTable(report, names);
  return text + Remarks(report.header);
}

}  // namespace ram
