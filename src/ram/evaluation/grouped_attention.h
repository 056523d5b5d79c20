// Attention with heads that share keys and values in groups
// (arXiv:2305.13245); with one group per head it is the original one.
#pragma once

#include "ram/evaluation/attention_layer.h"
#include "ram/evaluation/norm.h"

namespace ram {

class GroupedAttention : public AttentionLayer {
 public:
  GroupedAttention(const TransformerConfig& config, const RotaryTable& rotary,
                   int layer, const ModelWeights& weights, LinearMaker& maker);

  KeyValueShape key_values() const override;
  void Run(std::span<const TextRows> pieces, float* x,
           AttentionScratch& scratch) const override;

 private:
  // Norms and turns `heads` heads of every row of a piece.
  void Place(const Norm& norm, const TextRows& piece, uint64_t heads,
             float* rows) const;

  const TransformerConfig& config_;
  const RotaryTable& rotary_;
  AttentionShape shape_;
  Norm in_;
  Norm out_;
  Norm query_norm_;
  Norm key_norm_;
  Projection query_;
  Projection key_;
  Projection value_;
  Projection output_;
};

}  // namespace ram
