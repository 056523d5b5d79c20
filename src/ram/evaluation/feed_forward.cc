#include "ram/evaluation/feed_forward.h"

#include <string>

#include "ram/evaluation/row_kernels.h"

namespace ram {
namespace {

Projection Part(const ModelWeights& weights, LinearMaker& maker, int layer,
                std::string_view prefix, std::string_view role, int expert) {
  return {weights, maker, layer, std::string(prefix) + std::string(role),
          expert};
}

}  // namespace

FeedForward::FeedForward(Activation activation, const ModelWeights& weights,
                         LinearMaker& maker, int layer, std::string_view prefix,
                         int expert)
    : activation_(activation),
      gate_(Part(weights, maker, layer, prefix, "gate_proj", expert)),
      up_(Part(weights, maker, layer, prefix, "up_proj", expert)),
      down_(Part(weights, maker, layer, prefix, "down_proj", expert)) {}

void FeedForward::Run(const float* x, uint64_t rows, float* out,
                      FeedForwardScratch& scratch) const {
  float* gate = Room(scratch.gate, rows * gate_.out());
  float* up = Room(scratch.up, rows * up_.out());
  gate_.Apply(x, rows, gate);
  up_.Apply(x, rows, up);
  if (activation_ == Activation::kSilu) {
    SiluTimes(up, rows * up_.out(), gate);
  } else {
    GeluTanhTimes(up, rows * up_.out(), gate);
  }
  down_.Apply(gate, rows, out);
}

FeedForwardLayer::FeedForwardLayer(const TransformerConfig& config, int layer,
                                   const ModelWeights& weights,
                                   LinearMaker& maker)
    : hidden_(config.hidden),
      in_(weights, layer, config.norms.feed_forward_in, hidden_, config),
      out_(weights, layer, config.norms.feed_forward_out, hidden_, config),
      feed_forward_(config.activation, weights, maker, layer) {}

void FeedForwardLayer::Run(float* x, uint64_t rows,
                           FeedForwardScratch& scratch) const {
  float* normed = Room(scratch.normed, rows * hidden_);
  float* out = Room(scratch.out, rows * hidden_);
  in_.Apply(x, rows, hidden_, normed);
  feed_forward_.Run(normed, rows, out, scratch);
  if (!out_.empty()) out_.Apply(out, rows, hidden_, out);
  AddScaled(out, rows * hidden_, 1.0f, x);
}

}  // namespace ram
