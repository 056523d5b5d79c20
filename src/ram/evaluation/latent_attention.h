// Multi-head latent attention (DeepSeek-V2, arXiv:2405.04434, section 2.1).
// A token keeps one latent and one rotated key for all heads. Queries are
// taken into the latent's space (embed_q), so heads attend to latents as they
// are, and what they find is taken out per head (unembed_out): the same sums
// as with keys and values unpacked, in another order.
#pragma once

#include <vector>

#include "ram/evaluation/attention_layer.h"
#include "ram/evaluation/norm.h"

namespace ram {

class LatentAttention : public AttentionLayer {
 public:
  LatentAttention(const TransformerConfig& config, const RotaryTable& rotary,
                  int layer, const ModelWeights& weights, LinearMaker& maker);

  KeyValueShape key_values() const override { return {shape_.key_stride, 0}; }
  void Run(std::span<const TextRows> pieces, float* x,
           AttentionScratch& scratch) const override;

 private:
  // [rows, hidden] -> [rows, heads, nope + rope], not rotated.
  const float* Queries(const float* normed, uint64_t rows,
                       AttentionScratch& scratch) const;
  // ... -> [rows, heads, rank + rope], rotated.
  float* Absorb(const float* queries, std::span<const TextRows> pieces,
                uint64_t rows, AttentionScratch& scratch) const;
  // [rows, heads, rank] -> [rows, heads, value_dim].
  void Unembed(const float* attended, uint64_t rows, float* values,
               AttentionScratch& scratch) const;

  const TransformerConfig& config_;
  const RotaryTable& rotary_;
  AttentionShape shape_;
  Norm in_;
  Norm out_;
  Norm query_norm_;
  Norm latent_norm_;
  Projection query_down_;  // unused where the query has no rank
  Projection query_;
  Projection latent_;
  std::vector<Projection> embed_;    // per head [rank, nope]
  std::vector<Projection> unembed_;  // per head [value_dim, rank]
  Projection output_;
};

}  // namespace ram
