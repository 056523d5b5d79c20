// What llama.cpp calls the tensors of each model family, and how it wants them.
// Sources: llama.cpp's src/llama-arch.cpp, src/models/*.cpp and its converter
// (conversion/*.py), September 2026. The inverse of checkpoint/gguf_tensors.h.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/checkpoint/model.h"

namespace ram {

struct GgufTargetFamily {
  std::string_view family;        // Architecture::family: "Qwen3-MoE"
  std::string_view architecture;  // general.architecture: "qwen3moe"
  // Rows of q and k are stored in the order in which llama.cpp turns them (see
  // PairedRow).
  bool paired_heads = false;
  bool norms_plus_one = false;  // norms are stored with 1 added
  bool fused_gate_up = false;   // gate and up are one tensor
  bool output_bias = false;     // attn_output may have a bias
};

// Throws kUnsupported, naming the architecture and those that can be written,
// for a family that llama.cpp has no names for here.
const GgufTargetFamily& FindGgufTargetFamily(const Model& model);

// "Llama, Mistral, ...": those that can be written.
std::string GgufFamiliesText();

// The tensor that holds a matrix of the text model, without ".weight":
// "blk.3.ffn_up_exps". Matrices with equal names are stored together. nullopt:
// there is no place for it.
std::optional<std::string> GgufModule(const GgufTargetFamily& family,
                                      const Matrix& matrix);

// The name of a tensor that holds no matrix: norms, biases. `name` is Hugging
// Face's. nullopt: there is no place for it.
std::optional<std::string> GgufPlainName(const GgufTargetFamily& family,
                                         std::string_view name);

// Which row of a matrix lies at `row` where every head has `head_rows` rows
// that are stored in pairs: (0, n/2), (1, n/2 + 1)...
constexpr uint64_t PairedRow(uint64_t row, uint64_t head_rows) {
  const uint64_t within = row % head_rows;
  return row - within + within / 2 + (within % 2) * (head_rows / 2);
}

}  // namespace ram
