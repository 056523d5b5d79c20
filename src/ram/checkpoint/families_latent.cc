// Families with multi-head latent attention. Layouts: the modeling files of
// huggingface transformers; DeepSeek-V3, arXiv:2412.19437.
#include "ram/checkpoint/families.h"

namespace ram {
namespace {

Patterns LatentAttention() {
  constexpr std::string_view kQ =
      "num_attention_heads * qk_nope_head_dim + "
      "num_attention_heads * qk_rope_head_dim";
  return {
      {"self_attn.q_proj.weight",
       "q_proj",
       {kQ, "hidden_size"},
       kInput,
       kNoQueryLora},
      {"self_attn.q_a_proj.weight",
       "q_a_proj",
       {"q_lora_rank", "hidden_size"},
       kInput,
       kQueryLora},
      {"self_attn.q_a_layernorm.weight", {}, {"q_lora_rank"}, {}, kQueryLora},
      {"self_attn.q_b_proj.weight",
       "q_b_proj",
       {kQ, "q_lora_rank"},
       "self_attn.q_a_layernorm.weight",
       kQueryLora},
      {"self_attn.kv_a_proj_with_mqa.weight",
       "kv_a_proj",
       {"kv_lora_rank + qk_rope_head_dim", "hidden_size"},
       kInput},
      {"self_attn.kv_a_layernorm.weight", {}, {"kv_lora_rank"}},
      {.path = "self_attn.kv_b_proj.weight",
       .role = "embed_q",
       .shape = {"num_attention_heads * qk_nope_head_dim + "
                 "num_attention_heads * v_head_dim",
                 "kv_lora_rank"},
       .norm = "self_attn.kv_a_layernorm.weight",
       .cut = Cut::kKvB,
       .canonical = "self_attn.#.weight"},
      {.path = "self_attn.embed_q.weight",
       .role = "embed_q",
       .shape = {"num_attention_heads * kv_lora_rank", "qk_nope_head_dim"},
       .when = kOptional,
       .cut = Cut::kHeads},
      {.path = "self_attn.unembed_out.weight",
       .role = "unembed_out",
       .shape = {"num_attention_heads * v_head_dim", "kv_lora_rank"},
       .norm = "self_attn.kv_a_layernorm.weight",
       .when = kOptional,
       .cut = Cut::kHeads},
      {"self_attn.o_proj.weight",
       "o_proj",
       {"hidden_size", "num_attention_heads * v_head_dim"}},
      {"self_attn.q_a_proj.bias",
       {},
       {"q_lora_rank"},
       {},
       kQueryLora | kAttentionBias},
      {"self_attn.kv_a_proj_with_mqa.bias",
       {},
       {"kv_lora_rank + qk_rope_head_dim"},
       {},
       kAttentionBias},
      {"self_attn.o_proj.bias", {}, {"hidden_size"}, {}, kAttentionBias},
  };
}

Architecture DeepSeekV3() {
  Architecture family;
  family.family = "DeepSeek-V3";
  family.model_types = {"deepseek_v3"};
  family.class_names = {"DeepseekV3ForCausalLM"};
  family.model_patterns = EmbeddingAndFinalNorm();
  family.head_patterns = Head();
  family.layer_patterns =
      Join({LatentAttention(), DenseMlp(kPostAttention, kDense),
            MixtureMlp("n_routed_experts"), RoutedExtras(), TwoNorms(),
            PredictionLayer()});
  family.defaults = {{"first_k_dense_replace", 3},
                     {"n_shared_experts", 1},
                     {"num_nextn_predict_layers", 1}};
  family.experts_key = "n_routed_experts";
  family.mtp_key = "num_nextn_predict_layers";
  return family;
}

Architecture Glm4MoeLite() {
  Architecture family = DeepSeekV3();
  family.family = "GLM-4-MoE-Lite";
  family.model_types = {"glm4_moe_lite"};
  family.class_names = {"Glm4MoeLiteForCausalLM"};
  family.defaults = {{"first_k_dense_replace", 1},
                     {"n_shared_experts", 1},
                     {"num_nextn_predict_layers", 1}};
  return family;
}

}  // namespace

std::vector<Architecture> LatentFamilies() {
  return {DeepSeekV3(), Glm4MoeLite()};
}

}  // namespace ram
