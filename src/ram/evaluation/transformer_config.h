// What a decoder-only transformer computes, as data: config.json under the
// names and defaults of its family. Dimensions only; no weights.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ram/checkpoint/model.h"
#include "ram/evaluation/rotary.h"

namespace ram {

enum class Activation : uint8_t { kSilu, kGeluTanh };

// Which experts a token goes to, and with which weights.
struct RouterConfig {
  uint64_t experts = 0;
  uint64_t per_token = 0;
  bool sigmoid = false;    // else softmax over all experts
  bool normalize = false;  // the weights of the chosen sum to one
  // Only the experts of the best `kept_groups` of `groups` may be chosen.
  uint64_t groups = 1;
  uint64_t kept_groups = 1;
  float scale = 1;  // of the weights
};

// Multi-head latent attention (arXiv:2405.04434): keys and values are rows of
// one compressed latent; `rank` 0: ordinary attention.
struct LatentConfig {
  uint64_t rank = 0;
  uint64_t query_rank = 0;  // 0: the query is projected in one step
  uint64_t nope_dim = 0;    // of a head's query, not rotated
  uint64_t rope_dim = 0;    // rotated, one key for all heads
};

struct LayerConfig {
  bool mixture = false;  // of experts; else one feed-forward
  uint64_t window = 0;   // keys that a query sees, itself included; 0: all
  size_t rotary = 0;     // index into TransformerConfig::rotaries
};

// Tensor names within a layer; empty: no such norm.
struct NormNames {
  std::string attention_in = "input_layernorm.weight";
  std::string attention_out;  // before it is added to the residual stream
  std::string feed_forward_in = "post_attention_layernorm.weight";
  std::string feed_forward_out;
};

struct TransformerConfig {
  std::string family;
  uint64_t vocabulary = 0;  // rows of the embedding
  uint64_t hidden = 0;
  uint64_t heads = 0;
  uint64_t kv_heads = 0;   // of ordinary attention; divides heads
  uint64_t head_dim = 0;   // of ordinary attention's queries and keys
  uint64_t value_dim = 0;  // of a head's value
  LatentConfig latent;

  float norm_epsilon = 1e-6f;
  float norm_offset = 0;  // Gemma multiplies with 1 + weight
  NormNames norms;
  bool qk_norm = false;
  float attention_scale = 0;  // multiplies query x key
  float logit_softcap = 0;    // 0: none
  float embedding_scale = 1;
  Activation activation = Activation::kSilu;
  RouterConfig router;

  std::vector<LayerConfig> layers;
  std::vector<Rotary> rotaries;
};

// Throws kUnsupported for a model that can be analysed but not evaluated,
// kCorrupt where config.json contradicts itself. `source` names the model.
TransformerConfig ReadTransformerConfig(const Model& model,
                                        const std::string& source);

}  // namespace ram
