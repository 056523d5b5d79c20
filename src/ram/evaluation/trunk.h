// A model from embedding to last layer, over all segments at once: each
// layer's weights are loaded, used for every token, and dropped.
#pragma once

#include <cstdint>
#include <memory>
#include <span>

#include "ram/evaluation/model_weights.h"
#include "ram/evaluation/row_store.h"
#include "ram/evaluation/score.h"
#include "ram/evaluation/segment_plan.h"
#include "ram/evaluation/transformer_config.h"

namespace ram {

// Packs canonical matrices for oneDNN.
class DenseMaker : public LinearMaker {
 public:
  DenseMaker(const Checkpoint& checkpoint, ComputeType compute, int threads)
      : checkpoint_(checkpoint), compute_(compute), threads_(threads) {}
  std::unique_ptr<Linear> Make(const Matrix& matrix, uint64_t first_row,
                               uint64_t rows) override;
  ComputeType compute() const override { return compute_; }

 private:
  const Checkpoint& checkpoint_;
  ComputeType compute_;
  int threads_;
};

// What all passes of a run have in common. Copies are cheap.
struct RunContext {
  std::span<const Segment> segments;
  const SegmentPlan* plan = nullptr;
  const ScoreOptions* options = nullptr;
  ComputeType compute = ComputeType::kF32;  // as the processor allows
  int threads = 1;
  Progress* progress = nullptr;
};

struct TrunkResult {
  // After the last layer, before the final norm: [plan rows, hidden].
  std::unique_ptr<RowStore> hidden;
  double seconds = 0;  // of work, in an earlier run that was kept too
};

// Goes on from a kept state where options->kept_layers has one. Throws kCorrupt
// where a hidden state is not finite.
TrunkResult RunTrunk(const TransformerConfig& config,
                     const ModelWeights& weights, const RunContext& run,
                     RowStores& stores);

}  // namespace ram
