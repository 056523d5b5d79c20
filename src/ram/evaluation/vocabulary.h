// From hidden states to scores: the head is streamed in slices of rows, the
// softmax is kept up to date while slices pass, for all models side by side,
// so neither the heads nor the logits have to fit.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ram/evaluation/model_weights.h"
#include "ram/evaluation/row_store.h"
#include "ram/evaluation/score.h"
#include "ram/evaluation/transformer_config.h"
#include "ram/evaluation/trunk.h"

namespace ram {

struct HeadInput {
  const TransformerConfig* config = nullptr;
  const ModelWeights* weights = nullptr;
  RowStore* hidden = nullptr;  // after the last layer, before the final norm
};

// Scores without `seconds`, in the order of `models`. Throws kCorrupt where a
// logit is not finite.
std::vector<ModelScores> ScoreVocabulary(std::span<const HeadInput> models,
                                         const RunContext& run);

}  // namespace ram
