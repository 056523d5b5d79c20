// Families with many experts and the usual attention. Layouts: the modeling
// files of huggingface transformers and of mlx-lm.
#include "ram/checkpoint/families.h"

namespace ram {
namespace {

Architecture Qwen3Moe() {
  Architecture family;
  family.family = "Qwen3-MoE";
  family.model_types = {"qwen3_moe"};
  family.class_names = {"Qwen3MoeForCausalLM"};
  family.model_patterns = EmbeddingAndFinalNorm();
  family.head_patterns = Head();
  family.layer_patterns =
      Join({Attention(), QkNorm(), DenseMlp(kPostAttention, kDense),
            MixtureMlp("num_experts"), TwoNorms()});
  family.experts_key = "num_experts";
  return family;
}

Patterns SharedExpert(std::string_view module, std::string_view wide,
                      uint32_t when) {
  // The three paths of a module are literals, chosen by its name.
  const bool plural = module == "shared_experts";
  return {{plural ? "mlp.shared_experts.gate_proj.weight"
                  : "mlp.shared_expert.gate_proj.weight",
           "shared_gate_proj",
           {wide, "hidden_size"},
           kPostAttention,
           when},
          {plural ? "mlp.shared_experts.up_proj.weight"
                  : "mlp.shared_expert.up_proj.weight",
           "shared_up_proj",
           {wide, "hidden_size"},
           kPostAttention,
           when},
          {plural ? "mlp.shared_experts.down_proj.weight"
                  : "mlp.shared_expert.down_proj.weight",
           "shared_down_proj",
           {"hidden_size", wide},
           {},
           when}};
}

// Linear attention (a gated delta net) in three of four layers; the query of
// the others carries a gate as wide as itself.
Patterns HybridAttention() {
  constexpr std::string_view kKv = "num_key_value_heads * head_dim";
  constexpr std::string_view kValues =
      "linear_num_value_heads * linear_value_head_dim";
  constexpr std::string_view kQkv =
      "2 * linear_num_key_heads * linear_key_head_dim + "
      "linear_num_value_heads * linear_value_head_dim";
  constexpr std::string_view kHeads = "linear_num_value_heads";
  constexpr uint32_t kFull = kFullAttention;
  constexpr uint32_t kLinear = kLinearAttention;
  return {
      {"self_attn.q_proj.weight",
       "q_proj",
       {"2 * num_attention_heads * head_dim", "hidden_size"},
       kInput,
       kFull},
      {"self_attn.k_proj.weight",
       "k_proj",
       {kKv, "hidden_size"},
       kInput,
       kFull},
      {"self_attn.v_proj.weight",
       "v_proj",
       {kKv, "hidden_size"},
       kInput,
       kFull},
      {"self_attn.o_proj.weight",
       "o_proj",
       {"hidden_size", "num_attention_heads * head_dim"},
       {},
       kFull},
      {"linear_attn.in_proj_qkv.weight",
       "linear_qkv",
       {kQkv, "hidden_size"},
       kInput,
       kLinear},
      {"linear_attn.in_proj_z.weight",
       "linear_z",
       {kValues, "hidden_size"},
       kInput,
       kLinear},
      {"linear_attn.in_proj_a.weight",
       "linear_a",
       {kHeads, "hidden_size"},
       kInput,
       kLinear},
      {"linear_attn.in_proj_b.weight",
       "linear_b",
       {kHeads, "hidden_size"},
       kInput,
       kLinear},
      {"linear_attn.out_proj.weight",
       "linear_out",
       {"hidden_size", kValues},
       {},
       kLinear},
      {"linear_attn.conv1d.weight",
       {},
       {kQkv, "1", "linear_conv_kernel_dim"},
       {},
       kLinear},
      {"linear_attn.A_log", {}, {kHeads}, {}, kLinear},
      {"linear_attn.dt_bias", {}, {kHeads}, {}, kLinear},
      {"linear_attn.norm.weight", {}, {"linear_value_head_dim"}, {}, kLinear},
  };
}

Architecture Qwen35() {
  Architecture family = Qwen3Moe();
  family.family = "Qwen3.5";
  family.model_types = {"qwen3_5", "qwen3_5_text"};
  family.class_names = {"Qwen3_5ForConditionalGeneration",
                        "Qwen3_5ForCausalLM"};
  family.prefix = "model.language_model.";
  family.mlx_prefix = "language_model.model.";
  family.mlx_head_prefix = "language_model.";
  family.layer_patterns = Join({HybridAttention(), QkNorm(kFullAttention),
                                DenseMlp(kPostAttention), TwoNorms()});
  family.mtp_patterns = {
      {"fc.weight", "other", {"hidden_size", "2 * hidden_size"}},
      {"norm.weight", {}, {"hidden_size"}},
      {"pre_fc_norm_embedding.weight", {}, {"hidden_size"}},
      {"pre_fc_norm_hidden.weight", {}, {"hidden_size"}}};
  family.defaults = {{"head_dim", 256}, {"full_attention_interval", 4}};
  family.experts_key = {};
  family.mtp_key = "mtp_num_hidden_layers";
  return family;
}

Architecture Qwen35Moe() {
  Architecture family = Qwen35();
  family.family = "Qwen3.5-MoE";
  family.model_types = {"qwen3_5_moe", "qwen3_5_moe_text"};
  family.class_names = {"Qwen3_5MoeForConditionalGeneration",
                        "Qwen3_5MoeForCausalLM"};
  family.layer_patterns = Join(
      {HybridAttention(), QkNorm(kFullAttention),
       DenseMlp(kPostAttention, kDense), MixtureMlp("num_experts"),
       SharedExpert("shared_expert", "shared_expert_intermediate_size", kMoe),
       Patterns{{"mlp.shared_expert_gate.weight",
                 "shared_expert_gate",
                 {"1", "hidden_size"},
                 kPostAttention,
                 kMoe}},
       TwoNorms()});
  family.experts_key = "num_experts";
  return family;
}

Patterns NumberedExperts() {
  constexpr std::string_view kCanonical = "block_sparse_moe.experts.*.#.weight";
  constexpr std::string_view kWide = "intermediate_size";
  const auto expert = [&](std::string_view path, std::string_view role,
                          std::string_view rows, std::string_view cols,
                          std::string_view norm, uint32_t when = kMoe) {
    return TensorPattern{.path = path,
                         .role = role,
                         .shape = {rows, cols},
                         .norm = norm,
                         .when = when,
                         .canonical = kCanonical};
  };
  constexpr uint32_t kNative = kMoe | kOptional;
  const Patterns patterns = {
      {"block_sparse_moe.gate.weight",
       "router",
       {"num_local_experts", "hidden_size"},
       kPostAttention,
       kMoe},
      expert("block_sparse_moe.experts.*.w1.weight", "gate_proj", kWide,
             "hidden_size", kPostAttention),
      expert("block_sparse_moe.experts.*.w2.weight", "down_proj", "hidden_size",
             kWide, {}),
      expert("block_sparse_moe.experts.*.w3.weight", "up_proj", kWide,
             "hidden_size", kPostAttention),
      expert("block_sparse_moe.experts.*.gate_proj.weight", "gate_proj", kWide,
             "hidden_size", kPostAttention, kNative),
      expert("block_sparse_moe.experts.*.down_proj.weight", "down_proj",
             "hidden_size", kWide, {}, kNative),
      expert("block_sparse_moe.experts.*.up_proj.weight", "up_proj", kWide,
             "hidden_size", kPostAttention, kNative)};
  return Join(
      {patterns, SwitchMlp({"block_sparse_moe.switch_mlp.gate_proj.weight",
                            "block_sparse_moe.switch_mlp.up_proj.weight",
                            "block_sparse_moe.switch_mlp.down_proj.weight"},
                           kCanonical, "num_local_experts", kWide)});
}

Architecture Mixtral() {
  Architecture family = Qwen3Moe();
  family.family = "Mixtral";
  family.model_types = {"mixtral"};
  family.class_names = {"MixtralForCausalLM"};
  family.layer_patterns = Join({Attention(), NumberedExperts(), TwoNorms()});
  family.experts_key = "num_local_experts";
  return family;
}

Architecture Glm4Moe() {
  Architecture family = Qwen3Moe();
  family.family = "GLM-4-MoE";
  family.model_types = {"glm4_moe"};
  family.class_names = {"Glm4MoeForCausalLM"};
  family.layer_patterns =
      Join({Attention(), QkNorm(kQkNorm), DenseMlp(kPostAttention, kDense),
            MixtureMlp("n_routed_experts"), RoutedExtras(), TwoNorms(),
            PredictionLayer()});
  family.defaults = {{"head_dim", 128},
                     {"first_k_dense_replace", 1},
                     {"n_shared_experts", 1},
                     {"num_nextn_predict_layers", 1}};
  family.experts_key = "n_routed_experts";
  family.mtp_key = "num_nextn_predict_layers";
  return family;
}

constexpr std::string_view kStack = "num_local_experts * intermediate_size";

// DBRX's experts as matrices of their own: MLX's names, then native's.
Patterns DbrxExperts() {
  const auto expert = [](std::string_view path, std::string_view role,
                         std::string_view rows, std::string_view cols,
                         std::string_view norm) {
    return TensorPattern{.path = path,
                         .role = role,
                         .shape = {rows, cols},
                         .norm = norm,
                         .when = kMoe | kOptional,
                         .canonical = "ffn.experts.*.#.weight"};
  };
  constexpr std::string_view kNorm = "norm_attn_norm.norm_2.weight";
  constexpr std::string_view kWide = "intermediate_size";
  constexpr std::string_view kHidden = "hidden_size";
  return {
      expert("ffn.experts.*.w1.weight", "gate_proj", kWide, kHidden, kNorm),
      expert("ffn.experts.*.v1.weight", "up_proj", kWide, kHidden, kNorm),
      expert("ffn.experts.*.w2.weight", "down_proj", kHidden, kWide, {}),
      expert("ffn.experts.*.gate_proj.weight", "gate_proj", kWide, kHidden,
             kNorm),
      expert("ffn.experts.*.up_proj.weight", "up_proj", kWide, kHidden, kNorm),
      expert("ffn.experts.*.down_proj.weight", "down_proj", kHidden, kWide,
             {})};
}

Patterns DbrxLayer() {
  constexpr std::string_view kFirst = "norm_attn_norm.norm_1.weight";
  constexpr std::string_view kSecond = "norm_attn_norm.norm_2.weight";
  const auto stack = [](std::string_view path, std::string_view role,
                        std::string_view norm, bool transposed) {
    return TensorPattern{.path = path,
                         .role = role,
                         .shape = {kStack, "hidden_size"},
                         .norm = norm,
                         .when = kMoe,
                         .stacked = true,
                         .transposed = transposed,
                         .canonical = "ffn.experts.*.#.weight"};
  };
  return {{.path = "norm_attn_norm.attn.Wqkv.weight",
           .role = "q_proj",
           .shape = {"num_attention_heads * head_dim + "
                     "2 * num_key_value_heads * head_dim",
                     "hidden_size"},
           .norm = kFirst,
           .cut = Cut::kQkv,
           .canonical = "norm_attn_norm.attn.#.weight"},
          {"norm_attn_norm.attn.out_proj.weight",
           "o_proj",
           {"hidden_size", "num_attention_heads * head_dim"}},
          {"ffn.router.layer.weight",
           "router",
           {"num_local_experts", "hidden_size"},
           kSecond,
           kMoe},
          stack("ffn.experts.mlp.w1", "gate_proj", kSecond, false),
          stack("ffn.experts.mlp.v1", "up_proj", kSecond, false),
          stack("ffn.experts.mlp.w2", "down_proj", {}, true),
          {kFirst, {}, {"hidden_size"}},
          {kSecond, {}, {"hidden_size"}}};
}

Architecture Dbrx() {
  Architecture family;
  family.family = "DBRX";
  family.model_types = {"dbrx"};
  family.class_names = {"DbrxForCausalLM"};
  family.prefix = "transformer.";
  family.layers = "blocks";
  family.model_patterns = {{"wte.weight",
                            "embed_tokens",
                            {"vocab_size", "hidden_size"},
                            "norm_f.weight"},
                           {"norm_f.weight", {}, {"hidden_size"}}};
  family.head_patterns = {{"lm_head.weight",
                           "lm_head",
                           {"vocab_size", "hidden_size"},
                           "norm_f.weight"}};
  family.layer_patterns = Join({DbrxLayer(), DbrxExperts(),
                                SplitQkv({"norm_attn_norm.attn.q_proj.weight",
                                          "norm_attn_norm.attn.k_proj.weight",
                                          "norm_attn_norm.attn.v_proj.weight"},
                                         "norm_attn_norm.norm_1.weight")});
  family.aliases = {{"hidden_size", "d_model"},
                    {"num_hidden_layers", "n_layers"},
                    {"num_attention_heads", "n_heads"},
                    {"num_key_value_heads", "attn_config.kv_n_heads"},
                    {"intermediate_size", "ffn_config.ffn_hidden_size"},
                    {"num_local_experts", "ffn_config.moe_num_experts"}};
  family.experts_key = "num_local_experts";
  return family;
}

}  // namespace

Patterns RoutedExtras() {
  return Join({SharedExpert("shared_experts",
                            "n_shared_experts * moe_intermediate_size",
                            kMoe | kSharedExpert),
               Patterns{{"mlp.gate.e_score_correction_bias",
                         {},
                         {"n_routed_experts"},
                         {},
                         kMoe | kOptional}}});
}

Patterns PredictionLayer() {
  return {{"embed_tokens.weight",
           "embed_tokens",
           {"vocab_size", "hidden_size"},
           {},
           kMtpLayer},
          {"enorm.weight", {}, {"hidden_size"}, {}, kMtpLayer},
          {"hnorm.weight", {}, {"hidden_size"}, {}, kMtpLayer},
          {"eh_proj.weight",
           "other",
           {"hidden_size", "2 * hidden_size"},
           {},
           kMtpLayer},
          {"shared_head.norm.weight", {}, {"hidden_size"}, {}, kMtpLayer},
          {"shared_head.head.weight",
           "lm_head",
           {"vocab_size", "hidden_size"},
           "shared_head.norm.weight",
           kMtpLayer}};
}

std::vector<Architecture> MixtureFamilies() {
  return {Qwen3Moe(), Qwen35(), Qwen35Moe(), Mixtral(), Glm4Moe(), Dbrx()};
}

}  // namespace ram
