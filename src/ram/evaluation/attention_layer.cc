#include "ram/evaluation/attention_layer.h"

#include "ram/evaluation/grouped_attention.h"
#include "ram/evaluation/latent_attention.h"

namespace ram {

std::unique_ptr<AttentionLayer> MakeAttentionLayer(
    const TransformerConfig& config, const RotaryTable& rotary, int layer,
    const ModelWeights& weights, LinearMaker& maker) {
  if (config.latent.rank > 0) {
    return std::make_unique<LatentAttention>(config, rotary, layer, weights,
                                             maker);
  }
  return std::make_unique<GroupedAttention>(config, rotary, layer, weights,
                                            maker);
}

}  // namespace ram
