// The gated feed-forward: down(activation(gate(x)) * up(x)) (arXiv:2002.05202).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ram/evaluation/model_weights.h"
#include "ram/evaluation/norm.h"
#include "ram/evaluation/transformer_config.h"

namespace ram {

// Buffers that are reused from call to call; one per thread.
struct FeedForwardScratch {
  std::vector<float> normed;
  std::vector<float> gate;
  std::vector<float> up;
  std::vector<float> out;
};

class FeedForward {
 public:
  // Of a layer, its shared experts (`prefix` "shared_") or one expert.
  FeedForward(Activation activation, const ModelWeights& weights,
              LinearMaker& maker, int layer, std::string_view prefix = {},
              int expert = -1);

  // x [rows, hidden], out [rows, hidden].
  void Run(const float* x, uint64_t rows, float* out,
           FeedForwardScratch& scratch) const;

 private:
  Activation activation_;
  Projection gate_;
  Projection up_;
  Projection down_;
};

// The second half of a layer that is no mixture: x += norm(ffn(norm(x))).
class FeedForwardLayer {
 public:
  FeedForwardLayer(const TransformerConfig& config, int layer,
                   const ModelWeights& weights, LinearMaker& maker);

  // x [rows, hidden], in place.
  void Run(float* x, uint64_t rows, FeedForwardScratch& scratch) const;

 private:
  uint64_t hidden_;
  Norm in_;
  Norm out_;
  FeedForward feed_forward_;
};

}  // namespace ram
