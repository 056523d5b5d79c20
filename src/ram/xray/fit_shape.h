// The dimensions of a model that decide how much memory it takes to run,
// beside its weights: from the matrices themselves, and from config.json what
// no matrix shows (windows, heads, experts per token).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ram/checkpoint/model.h"

namespace ram {

// What one layer keeps of the tokens it has seen, in elements.
struct LayerCache {
  uint64_t keys = 0;  // per token; with latent attention the latent and the
                      // rotated part, and `values` is 0
  uint64_t values = 0;
  uint64_t window = 0;  // tokens that are ever looked at again; 0: all
  // Of linear attention: per text, whatever its length.
  uint64_t convolution = 0;
  uint64_t state = 0;
};

struct FitShape {
  std::string family;  // of the architecture; empty when unknown
  uint64_t vocabulary = 0;
  uint64_t hidden = 0;
  uint64_t heads = 0;     // 0: not known
  uint64_t head_dim = 0;  // of queries and keys; 0: not known
  uint64_t value_dim = 0;
  uint64_t longest_context = 0;  // max_position_embeddings; 0: not known
  bool latent = false;           // multi-head latent attention
  uint64_t nope_dim = 0;         // of a head, not rotated; latent only
  uint64_t query = 0;            // rows of the query projection
  uint64_t feed_forward = 0;     // the widest dense or shared one
  uint64_t experts_per_token = 0;
  uint64_t expert_feed_forward = 0;
  bool config_windows = false;  // windows stand in layer_types
  std::vector<LayerCache> layers;
  std::vector<std::string> notes;  // what a reader should know, in words
};

// Throws kUnsupported for a model whose attention cannot be found in its
// matrices, kCorrupt where config.json contradicts itself. `source` names the
// model.
FitShape ReadFitShape(const Model& model, std::string_view source);

}  // namespace ram
