// How a model stretches its rotary embedding, in llama.cpp's terms.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/checkpoint/model.h"
#include "ram/target/gguf_names.h"

namespace ram {

struct GgufRope {
  double theta = 10'000;
  std::optional<double> local_theta;  // of Gemma's layers with a window
  uint64_t dims = 0;                  // of a head, that are turned
  std::string type;                   // "", "linear", "yarn"
  double factor = 1;                  // of linear and yarn
  // Of yarn.
  uint64_t original_positions = 0;
  double beta_fast = 32;
  double beta_slow = 1;
  std::optional<double> log_multiplier;  // 0.1 * DeepSeek's mscale_all_dim
  // What Llama-3's scaling divides each frequency by: rope_freqs.weight;
  // empty: none.
  std::vector<float> factors;
};

// From rope_parameters, rope_scaling, rope_theta and partial_rotary_factor of
// config.json. Throws kUnsupported for what llama.cpp would compute otherwise,
// kCorrupt for numbers that make no sense; `source` names the checkpoint.
GgufRope ReadGgufRope(const Model& model, const GgufTargetFamily& family,
                      std::string_view source);

}  // namespace ram
