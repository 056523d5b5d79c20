#include "ram/evaluation/mixture.h"

#include "ram/evaluation/dense_linear.h"
#include "ram/evaluation/row_kernels.h"

namespace ram {

MixtureLayer::MixtureLayer(const TransformerConfig& config, int layer,
                           const ModelWeights& weights, LinearMaker& maker)
    : config_(config),
      in_(weights, layer, config.norms.feed_forward_in, config.hidden, config),
      router_(config.router.experts * config.hidden) {
  const Matrix& router = weights.Get(layer, "router");
  weights.checkpoint().ReadRows(router, 0, router_);
  router_bias_ = weights.BiasOf(router);
  correction_ = weights.FindLayerVector(
      layer, "mlp.gate.e_score_correction_bias", config.router.experts);
  if (weights.Find(layer, "shared_gate_proj")) {
    shared_.emplace(config.activation, weights, maker, layer, "shared_");
  }
}

void MixtureLayer::Begin(float* x, uint64_t rows, float* normed,
                         std::span<ExpertChoice> choices,
                         FeedForwardScratch& scratch) const {
  const RouterConfig& router = config_.router;
  const uint64_t hidden = config_.hidden;
  in_.Apply(x, rows, hidden, normed);
  float* logits = Room(scratch.out, rows * std::max(router.experts, hidden));
  MultiplyF32(true, rows, router.experts, hidden, 1.0f, normed, hidden,
              router_.data(), hidden, 0.0f, logits, router.experts);
  for (uint64_t row = 0; row < rows; ++row) {
    float* mine = logits + row * router.experts;
    if (!router_bias_.empty()) {
      AddScaled(router_bias_.data(), router.experts, 1.0f, mine);
    }
    ChooseExperts(router, {mine, router.experts}, correction_,
                  choices.subspan(row * router.per_token, router.per_token));
  }
  if (!shared_) return;
  shared_->Run(normed, rows, scratch.out.data(), scratch);
  AddScaled(scratch.out.data(), rows * hidden, 1.0f, x);
}

}  // namespace ram
