#include "ram/target/gguf_names.h"

#include <algorithm>
#include <array>
#include <utility>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"

namespace ram {
namespace {

constexpr std::array<GgufTargetFamily, 12> kFamilies = {{
    {.family = "Llama",
     .architecture = "llama",
     .paired_heads = true,
     .output_bias = true},
    {.family = "Mistral", .architecture = "llama", .paired_heads = true},
    {.family = "Mixtral", .architecture = "llama", .paired_heads = true},
    {.family = "Qwen2", .architecture = "qwen2"},
    {.family = "Qwen3", .architecture = "qwen3"},
    {.family = "Qwen3-MoE", .architecture = "qwen3moe"},
    {.family = "GLM-4", .architecture = "glm4", .fused_gate_up = true},
    {.family = "GLM-4-MoE", .architecture = "glm4moe"},
    {.family = "GLM-4-MoE-Lite", .architecture = "deepseek2"},
    {.family = "DeepSeek-V3", .architecture = "deepseek2"},
    {.family = "Gemma-3", .architecture = "gemma3", .norms_plus_one = true},
    {.family = "Phi-3", .architecture = "phi3", .fused_gate_up = true},
}};

using Pair = std::pair<std::string_view, std::string_view>;

constexpr std::array<Pair, 18> kRoles = {{
    {"embed_tokens", "token_embd"},
    {"lm_head", "output"},
    {"q_proj", "attn_q"},
    {"k_proj", "attn_k"},
    {"v_proj", "attn_v"},
    {"o_proj", "attn_output"},
    {"q_a_proj", "attn_q_a"},
    {"q_b_proj", "attn_q_b"},
    {"kv_a_proj", "attn_kv_a_mqa"},
    {"embed_q", "attn_k_b"},
    {"unembed_out", "attn_v_b"},
    {"gate_proj", "ffn_gate"},
    {"up_proj", "ffn_up"},
    {"down_proj", "ffn_down"},
    {"shared_gate_proj", "ffn_gate_shexp"},
    {"shared_up_proj", "ffn_up_shexp"},
    {"shared_down_proj", "ffn_down_shexp"},
    {"router", "ffn_gate_inp"},
}};

// Within a layer.
constexpr std::array<Pair, 14> kPlain = {{
    {"input_layernorm.weight", "attn_norm.weight"},
    {"post_attention_layernorm.weight", "ffn_norm.weight"},
    {"self_attn.q_norm.weight", "attn_q_norm.weight"},
    {"self_attn.k_norm.weight", "attn_k_norm.weight"},
    {"self_attn.q_proj.bias", "attn_q.bias"},
    {"self_attn.k_proj.bias", "attn_k.bias"},
    {"self_attn.v_proj.bias", "attn_v.bias"},
    {"self_attn.o_proj.bias", "attn_output.bias"},
    {"self_attn.q_a_layernorm.weight", "attn_q_a_norm.weight"},
    {"self_attn.kv_a_layernorm.weight", "attn_kv_a_norm.weight"},
    {"mlp.gate_proj.bias", "ffn_gate.bias"},
    {"mlp.up_proj.bias", "ffn_up.bias"},
    {"mlp.down_proj.bias", "ffn_down.bias"},
    {"mlp.gate.e_score_correction_bias", "exp_probs_b.bias"},
}};

// What one family stores under another name.
struct Exception {
  std::string_view family;
  std::string_view path;
  std::string_view name;
};
constexpr std::array<Exception, 6> kExceptions = {{
    {"Gemma-3", "post_attention_layernorm.weight",
     "post_attention_norm.weight"},
    {"Gemma-3", "pre_feedforward_layernorm.weight", "ffn_norm.weight"},
    {"Gemma-3", "post_feedforward_layernorm.weight", "post_ffw_norm.weight"},
    {"GLM-4", "post_self_attn_layernorm.weight", "post_attention_norm.weight"},
    {"GLM-4", "post_mlp_layernorm.weight", "post_ffw_norm.weight"},
    {"GLM-4-MoE", "post_attention_layernorm.weight",
     "post_attention_norm.weight"},
}};

// "model.layers.3.x.y" -> {"3", "x.y"}; nullopt: not in a layer.
std::optional<Pair> SplitLayer(std::string_view name) {
  constexpr std::string_view kLayers = "layers.";
  const size_t at = name.find(kLayers);
  if (at == name.npos) return std::nullopt;
  const std::string_view rest = name.substr(at + kLayers.size());
  const size_t dot = rest.find('.');
  if (dot == rest.npos) return std::nullopt;
  return Pair{rest.substr(0, dot), rest.substr(dot + 1)};
}

std::optional<std::string_view> PlainPath(const GgufTargetFamily& family,
                                          std::string_view path) {
  for (const Exception& exception : kExceptions) {
    if (exception.family == family.family && exception.path == path) {
      return exception.name;
    }
  }
  const bool output_bias = path == "self_attn.o_proj.bias";
  const bool mlp_bias = path.starts_with("mlp.") && path.ends_with("proj.bias");
  if ((output_bias || mlp_bias) && !family.output_bias) return std::nullopt;
  for (const auto& [theirs, name] : kPlain) {
    if (theirs == path) return name;
  }
  return std::nullopt;
}

}  // namespace

const GgufTargetFamily& FindGgufTargetFamily(const Model& model) {
  const Architecture* const architecture =
      model.known ? FindArchitecture(model.model_type, model.architecture)
                  : nullptr;
  for (const GgufTargetFamily& family : kFamilies) {
    if (architecture && family.family == architecture->family) return family;
  }
  Fail(ErrorKind::kUnsupported,
       "target gguf: found architecture {} (model_type '{}'), expected one "
       "that llama.cpp's names are known for: {}",
       model.architecture, model.model_type, GgufFamiliesText());
}

std::string GgufFamiliesText() {
  std::string text;
  for (const GgufTargetFamily& family : kFamilies) {
    if (!text.empty()) text += ", ";
    text += family.family;
  }
  return text;
}

std::optional<std::string> GgufModule(const GgufTargetFamily& family,
                                      const Matrix& matrix) {
  const auto* const found =
      std::find_if(kRoles.begin(), kRoles.end(),
                   [&](const Pair& pair) { return pair.first == matrix.role; });
  if (found == kRoles.end()) return std::nullopt;
  std::string module(found->second);
  if (matrix.layer < 0) return module;
  if (matrix.expert >= 0) {
    module += "_exps";
  } else if (family.fused_gate_up && module == "ffn_gate") {
    module = "ffn_up";
  }
  return fmt::format("blk.{}.{}", matrix.layer, module);
}

std::optional<std::string> GgufPlainName(const GgufTargetFamily& family,
                                         std::string_view name) {
  if (const auto layer = SplitLayer(name)) {
    const auto path = PlainPath(family, layer->second);
    if (!path) return std::nullopt;
    return fmt::format("blk.{}.{}", layer->first, *path);
  }
  if (name.ends_with("model.norm.weight")) return "output_norm.weight";
  return std::nullopt;
}

}  // namespace ram
