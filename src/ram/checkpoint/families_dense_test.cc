// Tiny models of the dense families: tensor lists by hand from the published
// modeling files, matrices spelled out.
#include <gtest/gtest.h>

#include "ram/checkpoint/model.h"
#include "ram/checkpoint/test_support.h"

namespace ram {
namespace {

// hidden 8, 4 heads of 2, 2 kv heads, feed-forward 12, vocabulary 16.
constexpr const char* kLlama = R"({
  "model_type": "llama", "architectures": ["LlamaForCausalLM"],
  "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 4,
  "num_key_value_heads": 2, "intermediate_size": 12, "vocab_size": 16,
  "tie_word_embeddings": false})";

Json With(Json config, const std::string& changes) {
  config.merge_patch(Config(changes));
  return config;
}

std::vector<TensorInfo> Around(const std::string& prefix = "model.") {
  return {Tensor(prefix + "embed_tokens.weight", {16, 8}),
          Tensor(prefix + "norm.weight", {8})};
}

std::vector<TensorInfo> Attention(const std::string& layer) {
  return {Tensor(layer + "input_layernorm.weight", {8}),
          Tensor(layer + "self_attn.q_proj.weight", {8, 8}),
          Tensor(layer + "self_attn.k_proj.weight", {4, 8}),
          Tensor(layer + "self_attn.v_proj.weight", {4, 8}),
          Tensor(layer + "self_attn.o_proj.weight", {8, 8}),
          Tensor(layer + "post_attention_layernorm.weight", {8})};
}

std::vector<TensorInfo> FeedForward(const std::string& layer) {
  return {Tensor(layer + "mlp.gate_proj.weight", {12, 8}),
          Tensor(layer + "mlp.up_proj.weight", {12, 8}),
          Tensor(layer + "mlp.down_proj.weight", {8, 12})};
}

std::vector<TensorInfo> LlamaTensors() {
  auto tensors = Around();
  Append(tensors, Attention("model.layers.0."));
  Append(tensors, FeedForward("model.layers.0."));
  tensors.push_back(Tensor("lm_head.weight", {16, 8}));
  return tensors;
}

constexpr const char* kLlamaMatrices =
    R"(model.embed_tokens.weight embed_tokens [16, 8]
model.layers.0.self_attn.q_proj.weight q_proj layer=0 [8, 8] <- model.layers.0.input_layernorm.weight
model.layers.0.self_attn.k_proj.weight k_proj layer=0 [4, 8] <- model.layers.0.input_layernorm.weight
model.layers.0.self_attn.v_proj.weight v_proj layer=0 [4, 8] <- model.layers.0.input_layernorm.weight
model.layers.0.self_attn.o_proj.weight o_proj layer=0 [8, 8]
model.layers.0.mlp.gate_proj.weight gate_proj layer=0 [12, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.up_proj.weight up_proj layer=0 [12, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.down_proj.weight down_proj layer=0 [8, 12]
lm_head.weight lm_head [16, 8] <- model.norm.weight
)";

TEST(LlamaTest, CutsEveryMatrix) {
  const Model model = DescribeModel(Config(kLlama), LlamaTensors(), "m");
  EXPECT_TRUE(model.known);
  EXPECT_FALSE(model.tied_head);
  EXPECT_EQ(Summary(model), kLlamaMatrices);
}

TEST(LlamaTest, CountsNormsAsPlain) {
  const Model model = DescribeModel(Config(kLlama), LlamaTensors(), "m");
  EXPECT_EQ(UseOf(model, "model.norm.weight"), TensorUse::kPlain);
  EXPECT_EQ(model.weights(), 128u * 2 + 8 * 3 + 64 * 2 + 32 * 2 + 96 * 3);
}

TEST(LlamaTest, IgnoresRotaryTables) {
  auto tensors = LlamaTensors();
  tensors.push_back(
      Tensor("model.layers.0.self_attn.rotary_emb.inv_freq", {1}, DType::kF32));
  const Model model = DescribeModel(Config(kLlama), tensors, "m");
  EXPECT_EQ(UseOf(model, "model.layers.0.self_attn.rotary_emb.inv_freq"),
            TensorUse::kIgnored);
}

TEST(LlamaTest, IgnoresTheHeadStoredBesideATiedEmbedding) {
  const Json config = With(Config(kLlama), R"({"tie_word_embeddings": true})");
  const Model model = DescribeModel(config, LlamaTensors(), "m");
  EXPECT_TRUE(model.tied_head);
  EXPECT_EQ(UseOf(model, "lm_head.weight"), TensorUse::kIgnored);
}

TEST(LlamaTest, WeighsATiedEmbeddingAsTheHead) {
  const Json config = With(Config(kLlama), R"({"tie_word_embeddings": true})");
  auto tensors = LlamaTensors();
  tensors.pop_back();
  const Model model = DescribeModel(config, tensors, "m");
  EXPECT_EQ(MatrixNamed(model, "model.embed_tokens.weight").norm,
            "model.norm.weight");
}

TEST(LlamaTest, TiesWhenTheConfigSaysNothingAndThereIsNoHead) {
  const Json config = With(Config(kLlama), R"({"tie_word_embeddings": null})");
  auto tensors = LlamaTensors();
  tensors.pop_back();
  EXPECT_TRUE(DescribeModel(config, tensors, "m").tied_head);
}

TEST(LlamaTest, DoesNotTieWhenTheConfigSaysNothingAndThereIsAHead) {
  const Json config = With(Config(kLlama), R"({"tie_word_embeddings": null})");
  EXPECT_FALSE(DescribeModel(config, LlamaTensors(), "m").tied_head);
}

TEST(MistralTest, IsCutLikeLlama) {
  const Json config = With(Config(kLlama), R"({"model_type": "mistral"})");
  EXPECT_EQ(Summary(DescribeModel(config, LlamaTensors(), "m")),
            kLlamaMatrices);
}

TEST(Qwen2Test, ExpectsBiasesOnQueryKeyAndValue) {
  const Json config = With(Config(kLlama), R"({"model_type": "qwen2"})");
  auto tensors = LlamaTensors();
  EXPECT_EQ(ErrorOf([&] { DescribeModel(config, tensors, "m"); }),
            "3 m: model.layers.0.self_attn.q_proj.bias: found nothing, "
            "expected this tensor (m/config.json calls for it)");
  tensors.push_back(Tensor("model.layers.0.self_attn.q_proj.bias", {8}));
  tensors.push_back(Tensor("model.layers.0.self_attn.k_proj.bias", {4}));
  tensors.push_back(Tensor("model.layers.0.self_attn.v_proj.bias", {4}));
  EXPECT_EQ(Summary(DescribeModel(config, tensors, "m")), kLlamaMatrices);
}

TEST(Qwen3Test, TakesHeadsWiderThanTheHiddenSize) {
  const Json config =
      With(Config(kLlama), R"({"model_type": "qwen3", "head_dim": 4})");
  auto tensors = Around();
  const std::string layer = "model.layers.0.";
  Append(tensors, {Tensor(layer + "input_layernorm.weight", {8}),
                   Tensor(layer + "self_attn.q_proj.weight", {16, 8}),
                   Tensor(layer + "self_attn.k_proj.weight", {8, 8}),
                   Tensor(layer + "self_attn.v_proj.weight", {8, 8}),
                   Tensor(layer + "self_attn.o_proj.weight", {8, 16}),
                   Tensor(layer + "self_attn.q_norm.weight", {4}),
                   Tensor(layer + "self_attn.k_norm.weight", {4}),
                   Tensor(layer + "post_attention_layernorm.weight", {8})});
  Append(tensors, FeedForward(layer));
  tensors.push_back(Tensor("lm_head.weight", {16, 8}));
  const Model model = DescribeModel(config, tensors, "m");
  EXPECT_EQ(MatrixNamed(model, layer + "self_attn.o_proj.weight").cols, 16u);
  EXPECT_EQ(UseOf(model, layer + "self_attn.q_norm.weight"), TensorUse::kPlain);
}

TEST(Phi3Test, SplitsQkvAndGateUp) {
  const Json config = With(Config(kLlama), R"({"model_type": "phi3"})");
  auto tensors = Around();
  const std::string layer = "model.layers.0.";
  Append(tensors, {Tensor(layer + "input_layernorm.weight", {8}),
                   Tensor(layer + "self_attn.qkv_proj.weight", {16, 8}),
                   Tensor(layer + "self_attn.o_proj.weight", {8, 8}),
                   Tensor(layer + "mlp.gate_up_proj.weight", {24, 8}),
                   Tensor(layer + "mlp.down_proj.weight", {8, 12}),
                   Tensor(layer + "post_attention_layernorm.weight", {8}),
                   Tensor("lm_head.weight", {16, 8})});
  const Model model = DescribeModel(config, tensors, "m");
  EXPECT_EQ(Summary(model), R"(model.embed_tokens.weight embed_tokens [16, 8]
model.layers.0.self_attn.q_proj.weight q_proj part=q layer=0 [8, 8] <- model.layers.0.input_layernorm.weight
model.layers.0.self_attn.k_proj.weight k_proj part=k layer=0 [4, 8] <- model.layers.0.input_layernorm.weight
model.layers.0.self_attn.v_proj.weight v_proj part=v layer=0 [4, 8] <- model.layers.0.input_layernorm.weight
model.layers.0.self_attn.o_proj.weight o_proj layer=0 [8, 8]
model.layers.0.mlp.gate_proj.weight gate_proj part=gate layer=0 [12, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.up_proj.weight up_proj part=up layer=0 [12, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.down_proj.weight down_proj layer=0 [8, 12]
lm_head.weight lm_head [16, 8] <- model.norm.weight
)");
  // q is rows 0 to 7 of the fused tensor, k 8 to 11, v 12 to 15.
  EXPECT_EQ(MatrixNamed(model, layer + "self_attn.k_proj.weight").first_row,
            8u);
  EXPECT_EQ(MatrixNamed(model, layer + "self_attn.v_proj.weight").first_row,
            12u);
  EXPECT_EQ(MatrixNamed(model, layer + "mlp.up_proj.weight").first_row, 12u);
}

TEST(Glm4Test, SplitsGateUpAndKeepsFourNorms) {
  const Json config =
      With(Config(kLlama), R"({"model_type": "glm4", "head_dim": 2})");
  auto tensors = Around();
  const std::string layer = "model.layers.0.";
  Append(tensors, Attention(layer));
  Append(tensors, {Tensor(layer + "mlp.gate_up_proj.weight", {24, 8}),
                   Tensor(layer + "mlp.down_proj.weight", {8, 12}),
                   Tensor(layer + "post_self_attn_layernorm.weight", {8}),
                   Tensor(layer + "post_mlp_layernorm.weight", {8}),
                   Tensor("lm_head.weight", {16, 8})});
  const Model model = DescribeModel(config, tensors, "m");
  EXPECT_EQ(MatrixNamed(model, layer + "mlp.gate_proj.weight").first_row, 0u);
  const Matrix& up = MatrixNamed(model, layer + "mlp.up_proj.weight");
  EXPECT_EQ(up.first_row, 12u);
  EXPECT_EQ(up.norm, layer + "post_attention_layernorm.weight");
  EXPECT_EQ(UseOf(model, layer + "post_mlp_layernorm.weight"),
            TensorUse::kPlain);
}

std::vector<TensorInfo> GemmaLayer(const std::string& layer) {
  auto tensors = Attention(layer);
  Append(tensors, {Tensor(layer + "self_attn.q_norm.weight", {2}),
                   Tensor(layer + "self_attn.k_norm.weight", {2}),
                   Tensor(layer + "pre_feedforward_layernorm.weight", {8}),
                   Tensor(layer + "post_feedforward_layernorm.weight", {8})});
  Append(tensors, FeedForward(layer));
  return tensors;
}

TEST(Gemma3Test, FeedsTheMlpFromItsOwnNorm) {
  const Json config = With(Config(kLlama), R"({"model_type": "gemma3_text",
      "head_dim": 2, "tie_word_embeddings": null})");
  auto tensors = Around();
  Append(tensors, GemmaLayer("model.layers.0."));
  const Model model = DescribeModel(config, tensors, "m");
  EXPECT_TRUE(model.tied_head);
  EXPECT_EQ(MatrixNamed(model, "model.layers.0.mlp.up_proj.weight").norm,
            "model.layers.0.pre_feedforward_layernorm.weight");
}

TEST(Gemma3Test, TellsTheVisionTowerFromTheTextModel) {
  const Json config = Config(R"({"model_type": "gemma3",
      "architectures": ["Gemma3ForConditionalGeneration"],
      "text_config": {"hidden_size": 8, "num_hidden_layers": 1,
        "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 2,
        "intermediate_size": 12, "vocab_size": 16},
      "vision_config": {"hidden_size": 6}})");
  auto tensors = Around("language_model.model.");
  Append(tensors, GemmaLayer("language_model.model.layers.0."));
  const std::string tower = "vision_tower.vision_model.";
  Append(tensors,
         {Tensor("multi_modal_projector.mm_input_projection_weight", {6, 8}),
          Tensor("multi_modal_projector.mm_soft_emb_norm.weight", {6}),
          Tensor(tower + "embeddings.patch_embedding.weight", {6, 3, 14, 14}),
          Tensor(tower + "embeddings.position_embedding.weight", {9, 6}),
          Tensor(tower + "encoder.layers.0.mlp.fc1.weight", {10, 6})});
  const Model model = DescribeModel(config, tensors, "m");
  const Matrix& projector =
      MatrixNamed(model, "multi_modal_projector.mm_input_projection_weight");
  EXPECT_EQ(projector.role, "vision");
  EXPECT_EQ(projector.section, Section::kVision);
  EXPECT_EQ(projector.rows, 8u);  // used as x W, so stored [in, out]
  EXPECT_EQ(MatrixNamed(model, tower + "encoder.layers.0.mlp.fc1.weight").role,
            "vision");
  EXPECT_EQ(UseOf(model, tower + "embeddings.position_embedding.weight"),
            TensorUse::kPlain);
  EXPECT_EQ(UseOf(model, tower + "embeddings.patch_embedding.weight"),
            TensorUse::kPlain);
  EXPECT_EQ(MatrixNamed(model,
                        "language_model.model.layers.0.self_attn.q_proj.weight")
                .role,
            "q_proj");
}

TEST(Gpt2Test, TransposesWhatIsStoredInOut) {
  const Json config = Config(R"({"model_type": "gpt2", "n_embd": 8,
      "n_layer": 1, "n_head": 2, "n_positions": 5, "vocab_size": 16})");
  std::vector<TensorInfo> tensors = {Tensor("wte.weight", {16, 8}),
                                     Tensor("wpe.weight", {5, 8}),
                                     Tensor("ln_f.weight", {8}),
                                     Tensor("ln_f.bias", {8}),
                                     Tensor("h.0.ln_1.weight", {8}),
                                     Tensor("h.0.ln_1.bias", {8}),
                                     Tensor("h.0.ln_2.weight", {8}),
                                     Tensor("h.0.ln_2.bias", {8}),
                                     Tensor("h.0.attn.bias", {1, 1, 5, 5}),
                                     Tensor("h.0.attn.c_attn.bias", {24}),
                                     Tensor("h.0.attn.c_attn.weight", {8, 24}),
                                     Tensor("h.0.attn.c_proj.weight", {8, 8}),
                                     Tensor("h.0.attn.c_proj.bias", {8}),
                                     Tensor("h.0.mlp.c_fc.bias", {32}),
                                     Tensor("h.0.mlp.c_fc.weight", {8, 32}),
                                     Tensor("h.0.mlp.c_proj.bias", {8}),
                                     Tensor("h.0.mlp.c_proj.weight", {32, 8})};
  const Model model = DescribeModel(config, tensors, "m");
  EXPECT_EQ(Summary(model), R"(wte.weight embed_tokens [16, 8]
h.0.attn.c_attn.weight qkv_proj layer=0 [24, 8] transposed <- h.0.ln_1.weight
h.0.attn.c_proj.weight o_proj layer=0 [8, 8] transposed
h.0.mlp.c_fc.weight up_proj layer=0 [32, 8] transposed <- h.0.ln_2.weight
h.0.mlp.c_proj.weight down_proj layer=0 [8, 32] transposed
)");
  EXPECT_EQ(UseOf(model, "wpe.weight"), TensorUse::kPlain);
  EXPECT_EQ(UseOf(model, "h.0.attn.bias"), TensorUse::kIgnored);
}

}  // namespace
}  // namespace ram
