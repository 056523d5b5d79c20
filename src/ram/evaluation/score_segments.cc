#include <deque>

#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/base/stopwatch.h"
#include "ram/evaluation/dense_linear.h"
#include "ram/evaluation/score.h"
#include "ram/evaluation/segment_plan.h"
#include "ram/evaluation/trunk.h"
#include "ram/evaluation/vocabulary.h"

namespace ram {
namespace {

constexpr uint64_t kItemRows = 512;

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

class ModelScorer {
 public:
  ModelScorer(std::span<const TransformerConfig> configs,
              std::span<const Checkpoint* const> models, const RunContext& run)
      : configs_(configs),
        models_(models),
        run_(run),
        stores_(run.options->memory_bytes -
                    BookkeepingBytes(run.options->memory_bytes),
                run.options->work_directory),
        hidden_(models.size()) {}

  // Every model as soon as it can be, told of when it is done.
  std::vector<ModelScores> OneByOne() {
    std::vector<ModelScores> scores;
    for (size_t i = 0; i < models_.size(); ++i) {
      RunLayers(i);
      const bool compared = run_.options->compare && models_.size() > 1;
      if (compared && i == 0) continue;
      std::vector<ModelScores> fresh =
          compared ? ScoreHeads({0, i}) : ScoreHeads({i});
      if (i > 0) hidden_[i].reset();  // the baseline's are still needed
      // Of the baseline beside every other model, the first scores count.
      if (compared && i > 1) fresh.erase(fresh.begin());
      for (ModelScores& own : fresh) {
        run_.options->on_model_done(scores.size(), own);
        scores.push_back(std::move(own));
      }
    }
    return scores;
  }

  // All models in one pass over the vocabulary.
  std::vector<ModelScores> Together() {
    std::vector<size_t> all;
    for (size_t i = 0; i < models_.size(); ++i) {
      RunLayers(i);
      all.push_back(i);
    }
    return ScoreHeads(all);
  }

 private:
  void RunLayers(size_t model) {
    weights_.emplace_back(*models_[model]);
    TrunkResult trunk =
        RunTrunk(configs_[model], weights_.back(), run_, stores_);
    hidden_[model] = std::move(trunk.hidden);
    seconds_.push_back(trunk.seconds);
  }

  // One pass over the vocabulary of these models, in their order.
  std::vector<ModelScores> ScoreHeads(const std::vector<size_t>& models) {
    const Stopwatch stopwatch;
    std::vector<HeadInput> heads;
    for (const size_t model : models) {
      heads.push_back(
          {&configs_[model], &weights_[model], hidden_[model].get()});
    }
    std::vector<ModelScores> scores = ScoreVocabulary(heads, run_);
    const double share =
        stopwatch.Seconds() / static_cast<double>(models.size());
    for (size_t i = 0; i < models.size(); ++i) {
      scores[i].seconds = seconds_[models[i]] + share;
    }
    return scores;
  }

  std::span<const TransformerConfig> configs_;
  std::span<const Checkpoint* const> models_;
  const RunContext& run_;
  RowStores stores_;
  std::deque<ModelWeights> weights_;
  std::vector<std::unique_ptr<RowStore>> hidden_;  // of each model
  std::vector<double> seconds_;                    // of its layers
};

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
  ModelScorer scorer(configs, models, run);
  std::vector<ModelScores> scores =
      options.on_model_done ? scorer.OneByOne() : scorer.Together();
  run.progress->End();
  return scores;
}

}  // namespace ram
