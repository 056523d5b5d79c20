#include "ram/target/mlx_family.h"

#include <algorithm>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"
#include "ram/target/target_units.h"

namespace ram {
namespace {

using Names = std::vector<std::string_view>;

const std::vector<MlxFamily>& AllFamilies() {
  static const Names kQkv = {"q_proj", "k_proj", "v_proj"};
  static const Names kQkvo = {"q_proj", "k_proj", "v_proj", "o_proj"};
  static const Names kDense = {"q_proj",    "k_proj",  "v_proj",   "o_proj",
                               "gate_proj", "up_proj", "down_proj"};
  static const Names kLatent = {"q_a_proj", "kv_a_proj_with_mqa", "o_proj"};
  static const Names kGpt2 = {"c_attn", "c_proj", "c_fc",
                              "ln_1",   "ln_2",   "ln_f"};
  static const Names kGateUp = {"gate_proj", "up_proj"};
  static const Names kGateUpLeaves = {"gate_up_proj", "gate_up_proj"};
  static const Names kQkvGateUp = {"q_proj", "k_proj", "v_proj", "gate_proj",
                                   "up_proj"};
  static const Names kPhi3Leaves = {"qkv_proj", "qkv_proj", "qkv_proj",
                                    "gate_up_proj", "gate_up_proj"};
  static const Names kWqkv = {"Wqkv", "Wqkv", "Wqkv"};
  static const std::vector<MlxFamily> all = {
      {.family = "Llama", .model_type = {}, .biases = kDense},
      {.family = "Mistral", .model_type = {}, .biases = kDense},
      {.family = "Qwen2", .model_type = {}, .biases = kQkv},
      {.family = "Qwen3", .model_type = {}},
      {.family = "GLM-4",
       .model_type = {},
       .biases = kQkv,
       .can_tie = false,
       .fused_roles = kGateUp,
       .fused_leaves = kGateUpLeaves},
      {.family = "Phi-3",
       .model_type = {},
       .fused_roles = kQkvGateUp,
       .fused_leaves = kPhi3Leaves},
      {.family = "Gemma-3", .model_type = {}},
      {.family = "GPT-2",
       .model_type = {},
       .biases = kGpt2,
       .prefix = "model."},
      {.family = "Qwen3-MoE", .model_type = {}},
      {.family = "Qwen3.5",
       .model_type = "qwen3_5",
       .biases = kQkvo,
       .language_model = true},
      {.family = "Qwen3.5-MoE",
       .model_type = "qwen3_5_moe",
       .biases = kQkvo,
       .language_model = true},
      {.family = "Mixtral", .model_type = {}},
      {.family = "GLM-4-MoE",
       .model_type = {},
       .biases = kQkv,
       .can_tie = false,
       .raw_router = true},
      {.family = "DBRX",
       .model_type = {},
       .can_tie = false,
       .separate_experts = true,
       .fused_roles = kQkv,
       .fused_leaves = kWqkv},
      {.family = "DeepSeek-V3",
       .model_type = {},
       .biases = kLatent,
       .can_tie = false,
       .raw_router = true},
      {.family = "GLM-4-MoE-Lite",
       .model_type = {},
       .biases = kLatent,
       .can_tie = false,
       .raw_router = true},
  };
  return all;
}

// "a.b.experts.7.up_proj.weight" -> "a.b.switch_mlp.up_proj"
std::string StackName(std::string_view canonical) {
  const std::string_view name = WithoutWeight(canonical);
  const size_t experts = name.rfind(".experts.");
  const size_t number = experts + 9;
  const size_t leaf = name.find('.', number);
  return fmt::format("{}.switch_mlp{}", name.substr(0, experts),
                     name.substr(leaf));
}

// DBRX's own words for the three projections of an expert.
std::string SeparateExpertName(const Matrix& matrix) {
  const std::string_view name = WithoutWeight(matrix.name);
  const std::string_view leaf = matrix.role == "gate_proj" ? "w1"
                                : matrix.role == "up_proj" ? "v1"
                                                           : "w2";
  return fmt::format("{}.{}", name.substr(0, name.rfind('.')), leaf);
}

// The module a bias belongs to: "x.q_proj.bias" -> "q_proj".
std::optional<std::string_view> BiasOwner(std::string_view name) {
  if (!name.ends_with(".bias")) return std::nullopt;
  name.remove_suffix(5);
  const size_t dot = name.rfind('.');
  return dot == name.npos ? name : name.substr(dot + 1);
}

}  // namespace

const MlxFamily* FindMlxFamily(const Model& model) {
  if (!model.known) return nullptr;
  const Architecture* architecture =
      FindArchitecture(model.model_type, model.architecture);
  if (!architecture) return nullptr;
  for (const MlxFamily& family : AllFamilies()) {
    if (family.family == architecture->family) return &family;
  }
  Fail(ErrorKind::kUnsupported,
       "target mlx: {}: found a family that mlx-lm does not load, expected one "
       "that it does (use target native)",
       architecture->family);
}

std::string MlxName(const MlxFamily& family, std::string_view name) {
  if (family.language_model) {
    constexpr std::string_view kSource = "model.language_model.";
    if (name.starts_with("language_model.")) return std::string(name);
    if (name.starts_with(kSource)) {
      return fmt::format("language_model.model.{}",
                         name.substr(kSource.size()));
    }
    return fmt::format("language_model.{}", name);
  }
  if (!family.prefix.empty() && !name.starts_with(family.prefix)) {
    return fmt::format("{}{}", family.prefix, name);
  }
  return std::string(name);
}

std::string MlxModule(const MlxFamily* family, const Model& model,
                      const Matrix& matrix) {
  const std::string& tensor = model.tensors[matrix.tensor].name;
  if (!family) return std::string(WithoutWeight(tensor));
  if (matrix.expert >= 0) {
    return MlxName(*family, family->separate_experts
                                ? SeparateExpertName(matrix)
                                : StackName(matrix.name));
  }
  if (const size_t place = MlxPlace(family, matrix);
      place < family->fused_roles.size()) {
    const std::string_view name = WithoutWeight(matrix.name);
    return fmt::format("{}{}", name.substr(0, name.rfind('.') + 1),
                       family->fused_leaves[place]);
  }
  const bool split = matrix.role == "embed_q" || matrix.role == "unembed_out";
  return MlxName(*family, WithoutWeight(split ? matrix.name : tensor));
}

size_t MlxPlace(const MlxFamily* family, const Matrix& matrix) {
  if (!family) return 0;
  const auto& roles = family->fused_roles;
  return static_cast<size_t>(
      std::find(roles.begin(), roles.end(), matrix.role) - roles.begin());
}

bool MlxQuantizable(const MlxFamily* family, const Matrix& matrix) {
  return !(family && family->raw_router && matrix.role == "router");
}

void CheckMlxLoads(const MlxFamily& family, const Model& model) {
  if (model.tied_head && !family.can_tie) {
    Fail(ErrorKind::kUnsupported,
         "target mlx: {}: found an embedding that is the head, too, expected "
         "lm_head.weight: mlx-lm's {} has no tied head (use target native)",
         model.architecture, family.family);
  }
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    if (model.sections[i] != Section::kText ||
        model.uses[i] != TensorUse::kPlain) {
      continue;
    }
    const auto owner = BiasOwner(model.tensors[i].name);
    if (!owner || std::find(family.biases.begin(), family.biases.end(),
                            *owner) != family.biases.end()) {
      continue;
    }
    Fail(ErrorKind::kUnsupported,
         "target mlx: {}: found a bias, expected none: mlx-lm's {} has no bias "
         "there (use target native)",
         model.tensors[i].name, family.family);
  }
}

}  // namespace ram
