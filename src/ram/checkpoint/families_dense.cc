// Families without experts. Layouts: the modeling files of huggingface
// transformers.
#include "ram/checkpoint/families.h"

namespace ram {
namespace {

Architecture Llama() {
  Architecture family;
  family.family = "Llama";
  family.model_types = {"llama"};
  family.class_names = {"LlamaForCausalLM"};
  family.model_patterns = EmbeddingAndFinalNorm();
  family.head_patterns = Head();
  family.layer_patterns =
      Join({Attention(), DenseMlp(kPostAttention), TwoNorms()});
  return family;
}

Architecture Mistral() {
  Architecture family = Llama();
  family.family = "Mistral";
  family.model_types = {"mistral"};
  family.class_names = {"MistralForCausalLM"};
  return family;
}

Architecture Qwen2() {
  Architecture family = Llama();
  family.family = "Qwen2";
  family.model_types = {"qwen2"};
  family.class_names = {"Qwen2ForCausalLM"};
  // Qwen2 has biases on q, k and v whatever its config says.
  family.defaults = {{"attention_bias", 1}};
  return family;
}

Architecture Qwen3() {
  Architecture family = Llama();
  family.family = "Qwen3";
  family.model_types = {"qwen3"};
  family.class_names = {"Qwen3ForCausalLM"};
  family.layer_patterns =
      Join({Attention(), QkNorm(), DenseMlp(kPostAttention), TwoNorms()});
  family.defaults = {{"head_dim", 128}};
  return family;
}

Patterns FusedGateUp() {
  const Patterns fused = {{.path = "mlp.gate_up_proj.weight",
                           .role = "gate_proj",
                           .shape = {"2 * intermediate_size", "hidden_size"},
                           .norm = kPostAttention,
                           .cut = Cut::kGateUp,
                           .canonical = "mlp.#.weight"},
                          {"mlp.down_proj.weight",
                           "down_proj",
                           {"hidden_size", "intermediate_size"}}};
  return Join({fused, SplitGateUp(kPostAttention)});
}

Architecture Glm4() {
  Architecture family = Llama();
  family.family = "GLM-4";
  family.model_types = {"glm4"};
  family.class_names = {"Glm4ForCausalLM"};
  family.layer_patterns =
      Join({Attention(), FusedGateUp(), TwoNorms(),
            Patterns{{"post_self_attn_layernorm.weight", {}, {"hidden_size"}},
                     {"post_mlp_layernorm.weight", {}, {"hidden_size"}}}});
  family.defaults = {{"head_dim", 128}};
  return family;
}

Architecture Phi3() {
  Architecture family = Llama();
  family.family = "Phi-3";
  family.model_types = {"phi3"};
  family.class_names = {"Phi3ForCausalLM"};
  family.layer_patterns =
      Join({Patterns{{.path = "self_attn.qkv_proj.weight",
                      .role = "q_proj",
                      .shape = {"num_attention_heads * head_dim + "
                                "2 * num_key_value_heads * head_dim",
                                "hidden_size"},
                      .norm = "input_layernorm.weight",
                      .cut = Cut::kQkv,
                      .canonical = "self_attn.#.weight"},
                     {"self_attn.o_proj.weight",
                      "o_proj",
                      {"hidden_size", "num_attention_heads * head_dim"}}},
            SplitQkv({"self_attn.q_proj.weight", "self_attn.k_proj.weight",
                      "self_attn.v_proj.weight"},
                     "input_layernorm.weight"),
            FusedGateUp(), TwoNorms()});
  return family;
}

Architecture Gemma3Text() {
  constexpr std::string_view kPreFeedForward =
      "pre_feedforward_layernorm.weight";
  Architecture family = Llama();
  family.family = "Gemma-3";
  family.model_types = {"gemma3_text"};
  family.class_names = {"Gemma3ForCausalLM"};
  family.layer_patterns = Join(
      {Attention(), QkNorm(), DenseMlp(kPreFeedForward), TwoNorms(),
       Patterns{{kPreFeedForward, {}, {"hidden_size"}},
                {"post_feedforward_layernorm.weight", {}, {"hidden_size"}}}});
  // Gemma3TextConfig; published configs leave out what equals them.
  family.defaults = {{"vocab_size", 262208},
                     {"hidden_size", 2304},
                     {"intermediate_size", 9216},
                     {"num_hidden_layers", 26},
                     {"num_attention_heads", 8},
                     {"num_key_value_heads", 4},
                     {"head_dim", 256}};
  return family;
}

Architecture Gemma3() {
  Architecture family = Gemma3Text();
  family.model_types = {"gemma3"};
  family.class_names = {"Gemma3ForConditionalGeneration"};
  family.prefix = "language_model.model.";
  family.head_prefix = "language_model.";
  return family;
}

// GPT-2 stores its matrices [in, out].
Architecture Gpt2() {
  Architecture family;
  family.family = "GPT-2";
  family.model_types = {"gpt2"};
  family.class_names = {"GPT2LMHeadModel"};
  family.prefix = "";
  family.mlx_prefix = "model.";
  family.layers = "h";
  family.model_patterns = {
      {"wte.weight", "embed_tokens", {"vocab_size", "hidden_size"}},
      {"wpe.weight", {}, {"max_position_embeddings", "hidden_size"}},
      {"ln_f.weight", {}, {"hidden_size"}},
      {"ln_f.bias", {}, {"hidden_size"}}};
  family.head_patterns = Head();
  const auto linear = [](std::string_view path, std::string_view role,
                         std::string_view in, std::string_view out,
                         std::string_view norm) {
    return TensorPattern{.path = path,
                         .role = role,
                         .shape = {in, out},
                         .norm = norm,
                         .transposed = true};
  };
  family.layer_patterns = {
      linear("attn.c_attn.weight", "qkv_proj", "hidden_size", "3 * hidden_size",
             "ln_1.weight"),
      linear("attn.c_proj.weight", "o_proj", "hidden_size", "hidden_size", {}),
      linear("mlp.c_fc.weight", "up_proj", "hidden_size", "intermediate_size",
             "ln_2.weight"),
      linear("mlp.c_proj.weight", "down_proj", "intermediate_size",
             "hidden_size", {}),
      {"attn.c_attn.bias", {}, {"3 * hidden_size"}},
      {"attn.c_proj.bias", {}, {"hidden_size"}},
      {"mlp.c_fc.bias", {}, {"intermediate_size"}},
      {"mlp.c_proj.bias", {}, {"hidden_size"}},
      {"ln_1.weight", {}, {"hidden_size"}},
      {"ln_1.bias", {}, {"hidden_size"}},
      {"ln_2.weight", {}, {"hidden_size"}},
      {"ln_2.bias", {}, {"hidden_size"}}};
  family.aliases = {{"hidden_size", "n_embd"},
                    {"num_hidden_layers", "n_layer"},
                    {"num_attention_heads", "n_head"},
                    {"intermediate_size", "n_inner"},
                    {"max_position_embeddings", "n_positions"}};
  family.always_tied = true;
  return family;
}

}  // namespace

std::vector<Architecture> DenseFamilies() {
  return {Llama(), Mistral(),    Qwen2(),  Qwen3(), Glm4(),
          Phi3(),  Gemma3Text(), Gemma3(), Gpt2()};
}

}  // namespace ram
