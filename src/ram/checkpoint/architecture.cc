#include "ram/checkpoint/architecture.h"

#include <algorithm>

#include "ram/checkpoint/families.h"

namespace ram {
namespace {

std::vector<Architecture> Collect() {
  std::vector<Architecture> all;
  for (auto families : {DenseFamilies, MixtureFamilies, LatentFamilies}) {
    for (Architecture& family : families()) all.push_back(std::move(family));
  }
  return all;
}

bool Contains(const std::vector<std::string_view>& list,
              std::string_view wanted) {
  return std::find(list.begin(), list.end(), wanted) != list.end();
}

}  // namespace

std::span<const Architecture> AllArchitectures() {
  static const std::vector<Architecture> all = Collect();
  return all;
}

const Architecture* FindArchitecture(std::string_view model_type,
                                     std::string_view class_name) {
  for (const Architecture& family : AllArchitectures()) {
    if (Contains(family.model_types, model_type)) return &family;
  }
  for (const Architecture& family : AllArchitectures()) {
    if (Contains(family.class_names, class_name)) return &family;
  }
  return nullptr;
}

Patterns Join(std::initializer_list<Patterns> parts) {
  Patterns all;
  for (const Patterns& part : parts) {
    all.insert(all.end(), part.begin(), part.end());
  }
  return all;
}

Patterns EmbeddingAndFinalNorm() {
  return {{.path = "embed_tokens.weight",
           .role = "embed_tokens",
           .shape = {"vocab_size", "hidden_size"},
           .norm = "norm.weight"},
          {.path = "norm.weight", .role = {}, .shape = {"hidden_size"}}};
}

Patterns Head() {
  return {{.path = "lm_head.weight",
           .role = "lm_head",
           .shape = {"vocab_size", "hidden_size"},
           .norm = "norm.weight"}};
}

Patterns Attention(uint32_t when) {
  constexpr std::string_view kQ = "num_attention_heads * head_dim";
  constexpr std::string_view kKv = "num_key_value_heads * head_dim";
  constexpr std::string_view kNorm = "input_layernorm.weight";
  const uint32_t bias = when | kAttentionBias;
  return {
      {"self_attn.q_proj.weight", "q_proj", {kQ, "hidden_size"}, kNorm, when},
      {"self_attn.k_proj.weight", "k_proj", {kKv, "hidden_size"}, kNorm, when},
      {"self_attn.v_proj.weight", "v_proj", {kKv, "hidden_size"}, kNorm, when},
      {"self_attn.o_proj.weight", "o_proj", {"hidden_size", kQ}, {}, when},
      {"self_attn.q_proj.bias", {}, {kQ}, {}, bias},
      {"self_attn.k_proj.bias", {}, {kKv}, {}, bias},
      {"self_attn.v_proj.bias", {}, {kKv}, {}, bias},
      {"self_attn.o_proj.bias", {}, {"hidden_size"}, {}, when | kOptional},
  };
}

Patterns QkNorm(uint32_t when) {
  return {{"self_attn.q_norm.weight", {}, {"head_dim"}, {}, when},
          {"self_attn.k_norm.weight", {}, {"head_dim"}, {}, when}};
}

Patterns TwoNorms() {
  return {{"input_layernorm.weight", {}, {"hidden_size"}},
          {"post_attention_layernorm.weight", {}, {"hidden_size"}}};
}

Patterns DenseMlp(std::string_view norm, uint32_t when) {
  constexpr std::string_view kWide = "intermediate_size";
  const uint32_t bias = when | kMlpBias;
  return {
      {"mlp.gate_proj.weight", "gate_proj", {kWide, "hidden_size"}, norm, when},
      {"mlp.up_proj.weight", "up_proj", {kWide, "hidden_size"}, norm, when},
      {"mlp.down_proj.weight", "down_proj", {"hidden_size", kWide}, {}, when},
      {"mlp.gate_proj.bias", {}, {kWide}, {}, bias},
      {"mlp.up_proj.bias", {}, {kWide}, {}, bias},
      {"mlp.down_proj.bias", {}, {"hidden_size"}, {}, bias},
  };
}

Patterns MixtureMlp(std::string_view experts) {
  constexpr std::string_view kNorm = "post_attention_layernorm.weight";
  constexpr std::string_view kWide = "moe_intermediate_size";
  constexpr uint32_t kPacked = kMoe | kOptional;
  const Patterns patterns = {
      {"mlp.gate.weight", "router", {experts, "hidden_size"}, kNorm, kMoe},
      {"mlp.experts.*.gate_proj.weight",
       "gate_proj",
       {kWide, "hidden_size"},
       kNorm,
       kMoe},
      {"mlp.experts.*.up_proj.weight",
       "up_proj",
       {kWide, "hidden_size"},
       kNorm,
       kMoe},
      {"mlp.experts.*.down_proj.weight",
       "down_proj",
       {"hidden_size", kWide},
       {},
       kMoe},
      {.path = "mlp.experts.gate_up_proj",
       .role = "gate_proj",
       .shape = {experts, "2 * moe_intermediate_size", "hidden_size"},
       .norm = kNorm,
       .when = kPacked,
       .cut = Cut::kGateUp,
       .stacked = true,
       .canonical = "mlp.experts.*.#.weight"},
      {.path = "mlp.experts.down_proj",
       .role = "down_proj",
       .shape = {experts, "hidden_size", kWide},
       .when = kPacked,
       .stacked = true,
       .canonical = "mlp.experts.*.#.weight"},
  };
  return Join({patterns, SwitchMlp({"mlp.switch_mlp.gate_proj.weight",
                                    "mlp.switch_mlp.up_proj.weight",
                                    "mlp.switch_mlp.down_proj.weight"},
                                   "mlp.experts.*.#.weight", experts, kWide)});
}

Patterns SplitQkv(const std::array<std::string_view, 3>& paths,
                  std::string_view norm) {
  constexpr std::string_view kQ = "num_attention_heads * head_dim";
  constexpr std::string_view kKv = "num_key_value_heads * head_dim";
  return {{paths[0], "q_proj", {kQ, "hidden_size"}, norm, kOptional},
          {paths[1], "k_proj", {kKv, "hidden_size"}, norm, kOptional},
          {paths[2], "v_proj", {kKv, "hidden_size"}, norm, kOptional}};
}

Patterns SplitGateUp(std::string_view norm) {
  return {{"mlp.gate_proj.weight",
           "gate_proj",
           {"intermediate_size", "hidden_size"},
           norm,
           kOptional},
          {"mlp.up_proj.weight",
           "up_proj",
           {"intermediate_size", "hidden_size"},
           norm,
           kOptional}};
}

Patterns SwitchMlp(const std::array<std::string_view, 3>& paths,
                   std::string_view canonical, std::string_view experts,
                   std::string_view wide) {
  const auto stack = [&](std::string_view path, std::string_view role,
                         std::string_view rows, std::string_view cols,
                         std::string_view norm) {
    return TensorPattern{.path = path,
                         .role = role,
                         .shape = {experts, rows, cols},
                         .norm = norm,
                         .when = kMoe | kOptional,
                         .stacked = true,
                         .canonical = canonical};
  };
  constexpr std::string_view kNorm = "post_attention_layernorm.weight";
  return {stack(paths[0], "gate_proj", wide, "hidden_size", kNorm),
          stack(paths[1], "up_proj", wide, "hidden_size", kNorm),
          stack(paths[2], "down_proj", "hidden_size", wide, {})};
}

}  // namespace ram
