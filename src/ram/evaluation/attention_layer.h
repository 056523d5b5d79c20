// The attention half of a layer: x += norm(attention(norm(x))).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ram/evaluation/attend.h"
#include "ram/evaluation/key_values.h"
#include "ram/evaluation/model_weights.h"
#include "ram/evaluation/rotary.h"
#include "ram/evaluation/transformer_config.h"

namespace ram {

// Buffers that are reused from call to call; one per thread.
struct AttentionScratch {
  std::vector<float> normed;
  std::vector<float> queries;
  std::vector<float> keys;
  std::vector<float> values;
  std::vector<float> compressed;  // queries of latent attention, and
  std::vector<float> head;        // one head's in and out of it
  std::vector<float> wide;
  std::vector<float> attended;
  std::vector<float> out;
  AttendScratch attend;
};

class AttentionLayer {
 public:
  virtual ~AttentionLayer() = default;

  // What it keeps per token.
  virtual KeyValueShape key_values() const = 0;

  // x [rows, hidden], in place. Every row belongs to one of `pieces`, in
  // order; a text may have several pieces. May be called by several threads at
  // once if their pieces have different pasts.
  virtual void Run(std::span<const TextRows> pieces, float* x,
                   AttentionScratch& scratch) const = 0;
};

// Loads a layer's matrices. Keeps references to `config` and `rotary`.
std::unique_ptr<AttentionLayer> MakeAttentionLayer(
    const TransformerConfig& config, const RotaryTable& rotary, int layer,
    const ModelWeights& weights, LinearMaker& maker);

}  // namespace ram
