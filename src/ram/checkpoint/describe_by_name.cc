// Tensors of unknown purpose: cut by shape, roles guessed from the names that
// most families share.
#include <fmt/format.h>

#include <array>
#include <utility>

#include "ram/checkpoint/cut_matrices.h"
#include "ram/checkpoint/describe_tensors.h"
#include "ram/checkpoint/model_config.h"

namespace ram {
namespace {

using Pair = std::pair<std::string_view, std::string_view>;

// By the last component before ".weight".
constexpr std::array<Pair, 31> kRoles = {{
    {"embed_tokens", "embed_tokens"},
    {"wte", "embed_tokens"},
    {"tok_embeddings", "embed_tokens"},
    {"word_embeddings", "embed_tokens"},
    {"embed_in", "embed_tokens"},
    {"lm_head", "lm_head"},
    {"embed_out", "lm_head"},
    {"output", "lm_head"},
    {"q_proj", "q_proj"},
    {"wq", "q_proj"},
    {"k_proj", "k_proj"},
    {"wk", "k_proj"},
    {"v_proj", "v_proj"},
    {"wv", "v_proj"},
    {"o_proj", "o_proj"},
    {"wo", "o_proj"},
    {"gate_proj", "gate_proj"},
    {"w1", "gate_proj"},
    {"up_proj", "up_proj"},
    {"w3", "up_proj"},
    {"fc1", "up_proj"},
    {"c_fc", "up_proj"},
    {"down_proj", "down_proj"},
    {"w2", "down_proj"},
    {"fc2", "down_proj"},
    {"q_a_proj", "q_a_proj"},
    {"q_b_proj", "q_b_proj"},
    {"kv_a_proj_with_mqa", "kv_a_proj"},
    {"router", "router"},
    {"shared_expert_gate", "shared_expert_gate"},
    {"qkv_proj", "qkv_proj"},
}};

bool HasPart(std::string_view text, std::string_view part) {
  return text.find(part) != text.npos;
}

// The last component of `path` without ".weight", and what is before it.
Pair LeafOf(std::string_view path) {
  if (path.ends_with(".weight")) path.remove_suffix(7);
  const size_t dot = path.rfind('.');
  if (dot == path.npos) return {path, {}};
  return {path.substr(dot + 1), path.substr(0, dot)};
}

std::string GuessRole(std::string_view path) {
  const auto [leaf, parent] = LeafOf(path);
  if (leaf == "gate" || (leaf == "layer" && parent.ends_with("router"))) {
    return "router";
  }
  const bool attention = HasPart(parent, "attn") || HasPart(parent, "attent");
  if (leaf == "c_proj" || leaf == "out_proj") {
    return attention ? "o_proj" : leaf == "c_proj" ? "down_proj" : "other";
  }
  for (const auto& [name, role] : kRoles) {
    if (name != leaf) continue;
    const bool feed_forward =
        role == "gate_proj" || role == "up_proj" || role == "down_proj";
    const bool shared = feed_forward && HasPart(parent, "shared_expert");
    return shared ? fmt::format("shared_{}", role) : std::string(role);
  }
  return "other";
}

bool IsPosition(std::string_view name) {
  return HasPart(name, "position") || HasPart(name, "pos_embed") ||
         HasPart(name, "wpe.");
}

// "x.experts.gate_proj", "x.switch_mlp.gate_proj.weight" ->
// "x.experts.3.gate_proj.weight"
std::string ExpertName(std::string_view name, uint64_t expert) {
  std::string_view word = "experts";
  if (!HasPart(name, word)) word = "switch_mlp";
  const size_t at = name.find(word);
  std::string full = fmt::format("{}experts.{}{}", name.substr(0, at), expert,
                                 name.substr(at + word.size()));
  if (!full.ends_with(".weight")) full += ".weight";
  return full;
}

void AddStack(const TensorName& name, std::string_view role, uint32_t tensor,
              Model& model) {
  const TensorInfo& info = model.tensors[tensor];
  const uint64_t rows = info.shape[1];
  for (uint64_t expert = 0; expert < info.shape[0]; ++expert) {
    const Place place{
        {}, name.layer, static_cast<int>(expert), name.section, tensor};
    Matrix matrix = MatrixOf({role, {}, 0, rows, rows, 1, false}, place,
                             expert * rows, info.shape[2]);
    matrix.name = ExpertName(info.name, expert);
    model.matrices.push_back(std::move(matrix));
  }
  model.uses[tensor] = TensorUse::kMatrices;
}

}  // namespace

bool IsLeftover(const TensorInfo& tensor) {
  const std::string_view name = tensor.name;
  const bool mask = name.ends_with("attn.bias") && tensor.shape.size() == 4;
  return mask || name.ends_with("rotary_emb.inv_freq") ||
         name.starts_with("rope_f") ||  // GGUF: their scaling
         name.ends_with("attn.masked_bias") ||
         name.ends_with("attention.masked_bias");
}

bool IsHeadName(std::string_view name) {
  return name == "lm_head.weight" || name == "language_model.lm_head.weight" ||
         name == "model.lm_head.weight" || name == "output.weight";
}

void DescribeByShape(const TensorName& name, std::string_view role,
                     uint32_t tensor, Model& model) {
  const TensorInfo& info = model.tensors[tensor];
  model.sections[tensor] = name.section;
  const bool codes = !info.storage.dense();
  if (!IsWeightDType(info.dtype) || (IsPosition(info.name) && !codes)) return;
  const auto wide = [&](size_t i) { return codes || info.shape[i] > 1; };
  const bool experts =
      HasPart(info.name, "experts") || HasPart(info.name, "switch_mlp");
  if (info.shape.size() == 3 && experts && wide(1) && wide(2) &&
      info.shape[0] <= kMaxExperts) {
    AddStack(name, role, tensor, model);
  } else if (info.shape.size() == 2 && wide(0) && wide(1)) {
    const Place place{{}, name.layer, name.expert, name.section, tensor};
    // Gemma-3's projector is the one vision matrix that is stored [in, out].
    const bool transposed = info.name.ends_with("mm_input_projection_weight");
    const uint64_t rows = info.shape[0];
    Matrix matrix = MatrixOf({role, {}, 0, rows, rows, 1, transposed}, place, 0,
                             info.shape[1]);
    matrix.name = info.name;
    model.matrices.push_back(std::move(matrix));
    model.uses[tensor] = TensorUse::kMatrices;
  }
}

void DescribeByName(Model& model) {
  bool embedding = false;
  bool head = false;
  for (uint32_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& info = model.tensors[i];
    if (model.uses[i] == TensorUse::kScale) continue;
    if (IsLeftover(info)) {
      model.uses[i] = TensorUse::kIgnored;
      continue;
    }
    const TensorName name = ParseTensorName(info.name);
    const std::string role =
        name.section == Section::kVision ? "vision" : GuessRole(name.path);
    embedding = embedding || role == "embed_tokens";
    head = head || role == "lm_head" || IsHeadName(info.name);
    DescribeByShape(name, role, i, model);
  }
  model.tied_head = embedding && !head;
}

}  // namespace ram
