#include "ram/checkpoint/attention_window.h"

#include <string_view>

namespace ram {
namespace {

bool HasWindow(const Json& config, const ModelConfig& read, uint64_t layer) {
  const Json* types = FindConfig(config, "layer_types");
  if (types && types->is_array() && layer < types->size()) {
    return (*types)[layer] == "sliding_attention";
  }
  const std::string_view family = read.architecture().family;
  if (family == "Gemma-3") {
    const auto every = read.Find("sliding_window_pattern").value_or(6);
    return every != 0 && (layer + 1) % every != 0;
  }
  if (family == "Qwen2" || family == "Qwen3") {
    return read.Flag("use_sliding_window") &&
           layer >= read.Find("max_window_layers").value_or(28);
  }
  if (family == "Qwen3-MoE") return read.Flag("use_sliding_window");
  return family == "Mistral" || family == "Mixtral" || family == "Phi-3";
}

}  // namespace

uint64_t AttentionWindow(const Json& config, const ModelConfig& read,
                         uint64_t layer) {
  if (!HasWindow(config, read, layer)) return 0;
  const bool gemma = read.architecture().family == "Gemma-3";
  return read.Find("sliding_window").value_or(gemma ? 4096 : 0);
}

}  // namespace ram
