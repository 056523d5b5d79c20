// A mixture of experts: what surrounds the experts of a layer. Who owns the
// experts (all resident, or one at a time) runs them: ScoreSegments streams
// them, generation keeps them.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ram/evaluation/feed_forward.h"
#include "ram/evaluation/router.h"

namespace ram {

class MixtureLayer {
 public:
  // Loads norm, router (always multiplied in f32) and shared experts.
  MixtureLayer(const TransformerConfig& config, int layer,
               const ModelWeights& weights, LinearMaker& maker);

  // normed [rows, hidden] = norm(x), choices [rows, per_token] of every row;
  // then x += shared(normed). What is left to do for every choice:
  // x[row] += weight * expert(normed[row]), experts in ascending order.
  void Begin(float* x, uint64_t rows, float* normed,
             std::span<ExpertChoice> choices,
             FeedForwardScratch& scratch) const;

 private:
  const TransformerConfig& config_;
  Norm in_;
  std::vector<float> router_;  // [experts, hidden]
  std::vector<float> router_bias_;
  std::vector<float> correction_;  // e_score_correction_bias
  std::optional<FeedForward> shared_;
};

}  // namespace ram
