#include "ram/pipeline/evaluate_job.h"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>
#include <utility>

#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/parallel.h"
#include "ram/evaluation/arc.h"
#include "ram/evaluation/hellaswag.h"
#include "ram/evaluation/measure_orders.h"
#include "ram/pipeline/evaluated_models.h"

namespace ram {
namespace {

void CheckWindowFits(const EvaluatedModels& models, uint64_t window) {
  const auto context = models.ShortestContext();
  if (context.tokens == 0 || window <= context.tokens) return;
  Fail(ErrorKind::kUsage,
       "--window: found {}, expected at most {}, the context of {} "
       "(max_position_embeddings in its config.json)",
       window, context.tokens, models.path(context.model));
}

std::string WindowText(const EvaluatedModels& models, const Segment& segment,
                       uint64_t window) {
  const std::span<const TokenId> tokens(segment.tokens);
  return models.tokenizer().Decode(tokens.last(window), false);
}

std::vector<std::string> ProtocolWarnings(const EvaluatedModels& models,
                                          const PerplexityReport& report) {
  std::vector<std::string> warnings;
  if (report.windows.size() < report.options.windows) {
    warnings.push_back(fmt::format(
        "the text has {} windows of {} tokens, fewer than the {} wanted: all "
        "of them were used",
        report.windows_available, report.options.window,
        report.options.windows));
  }
  const auto context = models.ShortestContext();
  const uint64_t longest = report.options.window + report.start_tokens.size();
  if (context.tokens != 0 && longest > context.tokens &&
      report.options.prefix != PrefixTokens::kNone) {
    warnings.push_back(fmt::format(
        "windows and their start tokens take {} places, more than the context "
        "of {}, {}",
        longest, models.path(context.model), context.tokens));
  }
  return warnings;
}

void CompareOrdersOf(const std::vector<PerplexityResult>& results,
                     uint64_t seed, ReportHeader& header) {
  if (results.size() < 3) return;
  std::vector<std::vector<WindowTotal>> windows;
  std::vector<std::vector<double>> divergence;
  for (const PerplexityResult& result : results) {
    windows.push_back(result.windows);
    divergence.push_back(result.distance
                             ? result.distance->window_kl
                             : std::vector<double>(result.windows.size(), 0));
  }
  const MeasureOrders measures[] = {OrdersByPerplexity(windows, seed),
                                    OrdersByDivergence(divergence)};
  header.agreement = AgreementTexts(measures);
}

ReportHeader MakeHeader(std::string task, const std::filesystem::path& data,
                        const EvaluatedModels& models,
                        const EvaluateOptions& options) {
  ReportHeader header;
  header.task = std::move(task);
  header.data = data.string();
  header.data_sha256 = Sha256OfFile(data);
  header.compute = options.compute;
  header.models = models.Describe();
  return header;
}

std::vector<EncodedChoices> EncodeAll(const EvaluatedModels& models,
                                      std::span<const ChoiceItem> items,
                                      std::span<const std::string> prompts,
                                      const ChoiceOptions& choices,
                                      int threads) {
  const EncodeOptions encode{.add_special = choices.start_tokens};
  std::vector<EncodedChoices> encoded(items.size());
  ParallelFor(items.size(), ResolveThreads(threads), [&](uint64_t i, int) {
    const std::string source =
        fmt::format("{} item {}", choices.data.string(), i);
    encoded[i] = EncodeChoices(
        [&](std::string_view text) {
          return models.Encode(text, encode, source);
        },
        prompts[i], items[i].choices, source);
  });
  return encoded;
}

std::vector<ChoiceItem> ReadItems(ChoiceTask task,
                                  const std::filesystem::path& path) {
  return task == ChoiceTask::kArc ? ReadArc(path) : ReadHellaSwag(path);
}

// Measures of the same models from a perplexity report, by path.
std::vector<MeasureOrders> OrdersFromReport(
    const std::filesystem::path& path,
    const std::vector<EvaluatedModel>& models, uint64_t seed) {
  const PerplexityRecord record = ReadPerplexityReport(path);
  std::vector<std::vector<WindowTotal>> windows;
  std::vector<std::vector<double>> divergence;
  for (const EvaluatedModel& model : models) {
    const auto entry =
        std::find_if(record.models.begin(), record.models.end(),
                     [&](const auto& own) { return own.path == model.path; });
    if (entry == record.models.end()) {
      Fail(ErrorKind::kUsage,
           "{}: models: found none with path {}, expected every model that is "
           "evaluated",
           path.string(), model.path);
    }
    windows.push_back(entry->windows);
    if (&model == &models[0]) {
      divergence.emplace_back(entry->windows.size(), 0.0);
    } else if (!entry->window_kl.empty()) {
      divergence.push_back(entry->window_kl);
    }
  }
  std::vector<MeasureOrders> measures = {OrdersByPerplexity(windows, seed)};
  if (divergence.size() == models.size()) {
    measures.push_back(OrdersByDivergence(divergence));
  }
  return measures;
}

void Judge(std::span<const ChoiceItem> items, const ChoiceForest& forest,
           const std::vector<ModelScores>& scores, ChoiceReport& report) {
  for (const ModelScores& own : scores) {
    report.results.push_back(JudgeChoices(items, forest, own));
    const ChoiceResult& result = report.results.back();
    const ChoiceResult& baseline = report.results.front();
    if (report.results.size() == 1) {
      report.acc.emplace_back();
      report.acc_norm.emplace_back();
    } else {
      report.acc.emplace_back(CompareChoices(baseline.right, result.right));
      report.acc_norm.emplace_back(
          CompareChoices(baseline.right_norm, result.right_norm));
    }
  }
}

void CompareChoiceOrders(const ChoiceOptions& choices, uint64_t seed,
                         ChoiceReport& report) {
  if (report.results.size() < 2) return;
  std::vector<MeasureOrders> measures;
  if (choices.perplexity) {
    measures =
        OrdersFromReport(*choices.perplexity, report.header.models, seed);
  }
  std::vector<std::vector<uint8_t>> right, right_norm;
  for (const ChoiceResult& result : report.results) {
    right.push_back(result.right);
    right_norm.push_back(result.right_norm);
  }
  measures.push_back(OrdersByAccuracy("acc", right));
  measures.push_back(OrdersByAccuracy("acc_norm", right_norm));
  report.header.agreement = AgreementTexts(measures);
}

}  // namespace

PerplexityReport RunPerplexity(const std::vector<std::string>& paths,
                               const std::filesystem::path& data,
                               const WindowOptions& windows,
                               const EvaluateOptions& options,
                               Progress& progress) {
  const EvaluatedModels models(paths);
  CheckWindowFits(models, windows.window);
  const std::vector<TokenId> tokens =
      models.Encode(ReadTextFile(data), {}, data.string());
  PerplexityReport report;
  report.header = MakeHeader("perplexity", data, models, options);
  report.options = windows;
  report.start_tokens = models.tokenizer().StartTokens();
  TextWindows cut =
      CutWindows(tokens, report.start_tokens, windows, data.string());
  report.windows_available = cut.available;
  report.windows = std::move(cut.chosen);

  const std::vector<ModelScores> scores =
      models.Score(cut.segments, paths.size() > 1, "window", options, progress);
  for (size_t i = 0; i < scores.size(); ++i) {
    report.results.push_back(
        SummarizePerplexity(cut.segments, scores[i],
                            i == 0 ? nullptr : scores.data(), options.seed));
    std::vector<std::string> texts;
    for (const size_t window : report.results[i].outliers) {
      if (texts.size() == kReportedOutliers) break;
      texts.push_back(WindowText(models, cut.segments[window], windows.window));
    }
    report.outlier_texts.push_back(std::move(texts));
  }
  report.header.warnings = ProtocolWarnings(models, report);
  for (std::string& warning : PerplexityWarnings(
           paths, report.results, report.windows, options.seed)) {
    report.header.warnings.push_back(std::move(warning));
  }
  CompareOrdersOf(report.results, options.seed, report.header);
  return report;
}

ChoiceReport RunChoices(ChoiceTask task, const std::vector<std::string>& paths,
                        const ChoiceOptions& choices,
                        const EvaluateOptions& options, Progress& progress) {
  const EvaluatedModels models(paths);
  std::vector<ChoiceItem> items = ReadItems(task, choices.data);
  ChoiceReport report;
  report.header = MakeHeader(task == ChoiceTask::kArc ? "arc" : "hellaswag",
                             choices.data, models, options);
  report.items_available = items.size();
  if (choices.limit && *choices.limit < items.size()) {
    items.resize(*choices.limit);
  }
  report.items = items.size();
  report.shots = choices.shots;
  report.start_tokens = choices.start_tokens;
  std::vector<ChoiceItem> pool;
  if (choices.shots.shots > 0) {
    pool = ReadItems(task, choices.shots_data);
    report.shots_data = choices.shots_data.string();
    report.shots_sha256 = Sha256OfFile(choices.shots_data);
  }
  const std::vector<std::string> prompts =
      PromptsWithShots(items, pool, choices.shots, choices.shots_data.string());
  const std::vector<EncodedChoices> encoded =
      EncodeAll(models, items, prompts, choices, options.threads);
  const auto context = models.ShortestContext();
  const ChoiceForest forest = PlantChoices(encoded, context.tokens);
  report.truncated = forest.truncated;
  report.computed_tokens = forest.computed_tokens;
  report.prompt_tokens = forest.prompt_tokens;
  if (forest.truncated > 0) {
    report.header.warnings.push_back(fmt::format(
        "{} of {} prompts are longer than the context of {}, {} tokens, and "
        "lose their beginning, as in lm-evaluation-harness",
        forest.truncated, forest.leaves.size(), models.path(context.model),
        context.tokens));
  }
  const std::vector<ModelScores> scores =
      models.Score(forest.segments, false, "segment", options, progress);
  Judge(items, forest, scores, report);
  CompareChoiceOrders(choices, options.seed, report);
  return report;
}

}  // namespace ram
