#include <chrono>
#include <deque>

#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/evaluation/dense_linear.h"
#include "ram/evaluation/score.h"
#include "ram/evaluation/segment_plan.h"
#include "ram/evaluation/trunk.h"
#include "ram/evaluation/vocabulary.h"

namespace ram {
namespace {

constexpr uint64_t kItemRows = 512;

double SecondsSince(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start)
      .count();
}

std::vector<TransformerConfig> ReadConfigs(
    std::span<const Checkpoint* const> models) {
  std::vector<TransformerConfig> configs;
  for (const Checkpoint* model : models) {
    configs.push_back(
        ReadTransformerConfig(model->model(), model->path().string()));
    if (configs.back().vocabulary == configs[0].vocabulary) continue;
    Fail(ErrorKind::kUsage,
         "{}: vocabulary: found {} tokens, expected the {} of {}",
         model->path().string(), configs.back().vocabulary,
         configs[0].vocabulary, models[0]->path().string());
  }
  return configs;
}

// Text weights as 16-bit numbers: what progress is measured in.
uint64_t TotalBytes(std::span<const Checkpoint* const> models) {
  uint64_t bytes = 0;
  for (const Checkpoint* model : models) {
    for (const Matrix& matrix : model->model().matrices) {
      const bool unused =
          matrix.role == "embed_tokens" && !model->model().tied_head;
      if (matrix.section == Section::kText && !unused) {
        bytes += 2 * matrix.weights();
      }
    }
  }
  return bytes;
}

}  // namespace

std::vector<ModelScores> ScoreSegments(
    std::span<const Checkpoint* const> models,
    std::span<const Segment> segments, const ScoreOptions& options) {
  if (models.empty()) return {};
  const std::vector<TransformerConfig> configs = ReadConfigs(models);
  CheckSegments(segments, configs[0].vocabulary);
  const SegmentPlan plan = PlanSegments(segments, kItemRows);
  RunContext run;
  run.segments = segments;
  run.plan = &plan;
  run.options = &options;
  run.compute = HasFastBF16() ? options.compute : ComputeType::kF32;
  run.threads = ResolveThreads(options.threads);
  run.progress = options.progress ? options.progress : &NoProgress();

  run.progress->Begin("evaluate", TotalBytes(models));
  RowStores stores(options.memory_bytes, options.work_directory);
  std::deque<ModelWeights> weights;
  std::vector<std::unique_ptr<RowStore>> hidden;
  std::vector<HeadInput> heads;
  std::vector<double> seconds;
  for (size_t i = 0; i < models.size(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    weights.emplace_back(*models[i]);
    hidden.push_back(RunTrunk(configs[i], weights.back(), run, stores));
    heads.push_back({&configs[i], &weights.back(), hidden.back().get()});
    seconds.push_back(SecondsSince(start));
  }
  const auto start = std::chrono::steady_clock::now();
  std::vector<ModelScores> scores = ScoreVocabulary(heads, run);
  const double share = SecondsSince(start) / static_cast<double>(models.size());
  for (size_t i = 0; i < scores.size(); ++i) {
    scores[i].seconds = seconds[i] + share;
  }
  run.progress->End();
  return scores;
}

}  // namespace ram
