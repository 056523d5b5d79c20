// Tiny models of the families with experts: tensor lists by hand from the
// published modeling files, matrices spelled out.
#include <gtest/gtest.h>

#include "ram/checkpoint/model.h"
#include "ram/checkpoint/test_support.h"

namespace ram {
namespace {

// hidden 8, vocabulary 16.
std::vector<TensorInfo> AroundMixture(const std::string& prefix) {
  return {Tensor(prefix + "embed_tokens.weight", {16, 8}),
          Tensor(prefix + "norm.weight", {8}),
          Tensor("lm_head.weight", {16, 8})};
}

// 4 heads of 2, 2 kv heads.
std::vector<TensorInfo> MixtureAttention(const std::string& layer) {
  return {Tensor(layer + "input_layernorm.weight", {8}),
          Tensor(layer + "post_attention_layernorm.weight", {8}),
          Tensor(layer + "self_attn.q_proj.weight", {8, 8}),
          Tensor(layer + "self_attn.k_proj.weight", {4, 8}),
          Tensor(layer + "self_attn.v_proj.weight", {4, 8}),
          Tensor(layer + "self_attn.o_proj.weight", {8, 8})};
}

std::vector<TensorInfo> QkNorm(const std::string& layer) {
  return {Tensor(layer + "self_attn.q_norm.weight", {2}),
          Tensor(layer + "self_attn.k_norm.weight", {2})};
}

// Two experts of 6.
std::vector<TensorInfo> Experts(const std::string& mlp) {
  std::vector<TensorInfo> tensors = {Tensor(mlp + "gate.weight", {2, 8})};
  for (const char* expert : {"experts.0.", "experts.1."}) {
    Append(tensors, {Tensor(mlp + expert + "gate_proj.weight", {6, 8}),
                     Tensor(mlp + expert + "up_proj.weight", {6, 8}),
                     Tensor(mlp + expert + "down_proj.weight", {8, 6})});
  }
  return tensors;
}

std::vector<TensorInfo> PackedExperts(const std::string& mlp) {
  return {Tensor(mlp + "gate.weight", {2, 8}),
          Tensor(mlp + "experts.gate_up_proj", {2, 12, 8}),
          Tensor(mlp + "experts.down_proj", {2, 8, 6})};
}

// Lines of the summary that hold `word`.
std::string Lines(const Model& model, const std::string& word) {
  std::string found;
  std::istringstream lines(Summary(model));
  for (std::string line; std::getline(lines, line);) {
    if (line.find(word) != line.npos) found += line + '\n';
  }
  return found;
}

constexpr const char* kQwen3Moe = R"({
  "model_type": "qwen3_moe", "hidden_size": 8, "num_hidden_layers": 1,
  "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 2,
  "intermediate_size": 12, "moe_intermediate_size": 6, "num_experts": 2,
  "vocab_size": 16, "tie_word_embeddings": false})";

TEST(Qwen3MoeTest, NamesRouterAndExperts) {
  auto tensors = AroundMixture("model.");
  Append(tensors, MixtureAttention("model.layers.0."));
  Append(tensors, QkNorm("model.layers.0."));
  Append(tensors, Experts("model.layers.0.mlp."));
  const Model model = DescribeModel(Config(kQwen3Moe), tensors, "m");
  EXPECT_EQ(
      Lines(model, ".mlp."),
      R"(model.layers.0.mlp.gate.weight router layer=0 [2, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.experts.0.gate_proj.weight gate_proj layer=0 expert=0 [6, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.experts.0.up_proj.weight up_proj layer=0 expert=0 [6, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.experts.0.down_proj.weight down_proj layer=0 expert=0 [8, 6]
model.layers.0.mlp.experts.1.gate_proj.weight gate_proj layer=0 expert=1 [6, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.experts.1.up_proj.weight up_proj layer=0 expert=1 [6, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.experts.1.down_proj.weight down_proj layer=0 expert=1 [8, 6]
)");
}

TEST(Qwen3MoeTest, CutsPackedExpertsIntoTheSameMatrices) {
  auto tensors = AroundMixture("model.");
  Append(tensors, MixtureAttention("model.layers.0."));
  Append(tensors, QkNorm("model.layers.0."));
  Append(tensors, PackedExperts("model.layers.0.mlp."));
  const Model model = DescribeModel(Config(kQwen3Moe), tensors, "m");
  EXPECT_EQ(
      Lines(model, "expert="),
      R"(model.layers.0.mlp.experts.0.gate_proj.weight gate_proj part=gate layer=0 expert=0 [6, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.experts.0.up_proj.weight up_proj part=up layer=0 expert=0 [6, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.experts.1.gate_proj.weight gate_proj part=gate layer=0 expert=1 [6, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.experts.1.up_proj.weight up_proj part=up layer=0 expert=1 [6, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.mlp.experts.0.down_proj.weight down_proj layer=0 expert=0 [8, 6]
model.layers.0.mlp.experts.1.down_proj.weight down_proj layer=0 expert=1 [8, 6]
)");
  EXPECT_EQ(MatrixNamed(model, "model.layers.0.mlp.experts.1.up_proj.weight")
                .first_row,
            18u);
  EXPECT_EQ(MatrixNamed(model, "model.layers.0.mlp.experts.1.down_proj.weight")
                .first_row,
            8u);
}

TEST(MixtralTest, TranslatesNumberedProjections) {
  const Json config = Config(R"({
      "model_type": "mixtral", "hidden_size": 8, "num_hidden_layers": 1,
      "num_attention_heads": 4, "num_key_value_heads": 2,
      "intermediate_size": 6, "num_local_experts": 1, "vocab_size": 16,
      "tie_word_embeddings": false})");
  auto tensors = AroundMixture("model.");
  Append(tensors, MixtureAttention("model.layers.0."));
  const std::string block = "model.layers.0.block_sparse_moe.";
  Append(tensors, {Tensor(block + "gate.weight", {1, 8}),
                   Tensor(block + "experts.0.w1.weight", {6, 8}),
                   Tensor(block + "experts.0.w2.weight", {8, 6}),
                   Tensor(block + "experts.0.w3.weight", {6, 8})});
  EXPECT_EQ(
      Lines(DescribeModel(config, tensors, "m"), "experts"),
      R"(model.layers.0.block_sparse_moe.experts.0.gate_proj.weight gate_proj layer=0 expert=0 [6, 8] <- model.layers.0.post_attention_layernorm.weight
model.layers.0.block_sparse_moe.experts.0.down_proj.weight down_proj layer=0 expert=0 [8, 6]
model.layers.0.block_sparse_moe.experts.0.up_proj.weight up_proj layer=0 expert=0 [6, 8] <- model.layers.0.post_attention_layernorm.weight
)");
}

// Layer 0 linear attention, layer 1 full attention, one extra layer.
std::vector<TensorInfo> Qwen35Tensors() {
  const std::string text = "model.language_model.";
  auto tensors = AroundMixture(text);
  const std::string linear = text + "layers.0.linear_attn.";
  Append(tensors,
         {Tensor(text + "layers.0.input_layernorm.weight", {8}),
          Tensor(text + "layers.0.post_attention_layernorm.weight", {8}),
          Tensor(linear + "A_log", {4}), Tensor(linear + "dt_bias", {4}),
          Tensor(linear + "conv1d.weight", {16, 1, 4}),
          Tensor(linear + "in_proj_qkv.weight", {16, 8}),
          Tensor(linear + "in_proj_z.weight", {8, 8}),
          Tensor(linear + "in_proj_a.weight", {4, 8}),
          Tensor(linear + "in_proj_b.weight", {4, 8}),
          Tensor(linear + "norm.weight", {2}),
          Tensor(linear + "out_proj.weight", {8, 8})});
  for (const std::string& layer :
       {text + "layers.1.", std::string("mtp.layers.0.")}) {
    auto attention = MixtureAttention(layer);
    attention[2].shape = {16, 8};  // the query with its gate
    Append(tensors, attention);
    Append(tensors, QkNorm(layer));
  }
  for (const std::string& layer :
       {text + "layers.0.", text + "layers.1.", std::string("mtp.layers.0.")}) {
    Append(tensors, PackedExperts(layer + "mlp."));
    const std::string shared = layer + "mlp.shared_expert";
    Append(tensors, {Tensor(shared + "_gate.weight", {1, 8}),
                     Tensor(shared + ".gate_proj.weight", {10, 8}),
                     Tensor(shared + ".up_proj.weight", {10, 8}),
                     Tensor(shared + ".down_proj.weight", {8, 10})});
  }
  Append(tensors,
         {Tensor("mtp.fc.weight", {8, 16}), Tensor("mtp.norm.weight", {8}),
          Tensor("mtp.pre_fc_norm_embedding.weight", {8}),
          Tensor("mtp.pre_fc_norm_hidden.weight", {8}),
          Tensor("model.visual.blocks.0.attn.qkv.weight", {18, 6}),
          Tensor("model.visual.patch_embed.proj.weight", {6, 3, 2, 16, 16})});
  return tensors;
}

constexpr const char* kQwen35Moe = R"({
  "model_type": "qwen3_5_moe", "tie_word_embeddings": false,
  "text_config": {
    "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 2, "moe_intermediate_size": 6,
    "shared_expert_intermediate_size": 10, "num_experts": 2, "vocab_size": 16,
    "layer_types": ["linear_attention", "full_attention"],
    "linear_num_key_heads": 2, "linear_key_head_dim": 2,
    "linear_num_value_heads": 4, "linear_value_head_dim": 2,
    "linear_conv_kernel_dim": 4, "mtp_num_hidden_layers": 1}})";

TEST(Qwen35MoeTest, CutsLinearAttention) {
  const Model model = DescribeModel(Config(kQwen35Moe), Qwen35Tensors(), "m");
  EXPECT_EQ(
      Lines(model, "linear_attn"),
      R"(model.language_model.layers.0.linear_attn.in_proj_qkv.weight linear_qkv layer=0 [16, 8] <- model.language_model.layers.0.input_layernorm.weight
model.language_model.layers.0.linear_attn.in_proj_z.weight linear_z layer=0 [8, 8] <- model.language_model.layers.0.input_layernorm.weight
model.language_model.layers.0.linear_attn.in_proj_a.weight linear_a layer=0 [4, 8] <- model.language_model.layers.0.input_layernorm.weight
model.language_model.layers.0.linear_attn.in_proj_b.weight linear_b layer=0 [4, 8] <- model.language_model.layers.0.input_layernorm.weight
model.language_model.layers.0.linear_attn.out_proj.weight linear_out layer=0 [8, 8]
)");
}

TEST(Qwen35MoeTest, TakesNoConvolutionForAStackOfExperts) {
  const Model model = DescribeModel(Config(kQwen35Moe), Qwen35Tensors(), "m");
  EXPECT_EQ(
      UseOf(model, "model.language_model.layers.0.linear_attn.conv1d.weight"),
      TensorUse::kPlain);
}

TEST(Qwen35MoeTest, NumbersTheExtraLayerAfterTheOthers) {
  const Model model = DescribeModel(Config(kQwen35Moe), Qwen35Tensors(), "m");
  const Matrix& up =
      MatrixNamed(model, "mtp.layers.0.mlp.experts.1.up_proj.weight");
  EXPECT_EQ(up.layer, 2);
  EXPECT_EQ(up.section, Section::kMtp);
  EXPECT_EQ(up.norm, "mtp.layers.0.post_attention_layernorm.weight");
  EXPECT_EQ(MatrixNamed(model, "mtp.fc.weight").section, Section::kMtp);
}

TEST(Qwen35MoeTest, KnowsTheSharedExpert) {
  const Model model = DescribeModel(Config(kQwen35Moe), Qwen35Tensors(), "m");
  const std::string mlp = "model.language_model.layers.1.mlp.";
  EXPECT_EQ(MatrixNamed(model, mlp + "shared_expert_gate.weight").role,
            "shared_expert_gate");
  EXPECT_EQ(MatrixNamed(model, mlp + "shared_expert.down_proj.weight").role,
            "shared_down_proj");
}

TEST(Qwen35MoeTest, TellsTheVisionTowerApart) {
  const Model model = DescribeModel(Config(kQwen35Moe), Qwen35Tensors(), "m");
  EXPECT_EQ(Lines(model, "visual"),
            "model.visual.blocks.0.attn.qkv.weight vision layer=0 vision "
            "[18, 6]\n");
}

TEST(Glm4MoeTest, ReplacesTheFirstLayersByDenseOnes) {
  const Json config = Config(R"({
      "model_type": "glm4_moe", "hidden_size": 8, "num_hidden_layers": 2,
      "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 2,
      "intermediate_size": 12, "moe_intermediate_size": 6,
      "n_routed_experts": 2, "n_shared_experts": 2, "vocab_size": 16,
      "first_k_dense_replace": 1, "attention_bias": false,
      "num_nextn_predict_layers": 1, "tie_word_embeddings": false})");
  auto tensors = AroundMixture("model.");
  for (const char* number : {"0.", "1.", "2."}) {
    Append(tensors, MixtureAttention(std::string("model.layers.") + number));
  }
  for (const char* number : {"1.", "2."}) {
    const std::string mlp = std::string("model.layers.") + number + "mlp.";
    Append(tensors, Experts(mlp));
    Append(tensors,
           {Tensor(mlp + "gate.e_score_correction_bias", {2}, DType::kF32),
            Tensor(mlp + "shared_experts.gate_proj.weight", {12, 8}),
            Tensor(mlp + "shared_experts.up_proj.weight", {12, 8}),
            Tensor(mlp + "shared_experts.down_proj.weight", {8, 12})});
  }
  const std::string last = "model.layers.2.";
  Append(tensors, {Tensor("model.layers.0.mlp.gate_proj.weight", {12, 8}),
                   Tensor("model.layers.0.mlp.up_proj.weight", {12, 8}),
                   Tensor("model.layers.0.mlp.down_proj.weight", {8, 12}),
                   Tensor(last + "eh_proj.weight", {8, 16}),
                   Tensor(last + "enorm.weight", {8}),
                   Tensor(last + "hnorm.weight", {8}),
                   Tensor(last + "embed_tokens.weight", {16, 8}),
                   Tensor(last + "shared_head.norm.weight", {8}),
                   Tensor(last + "shared_head.head.weight", {16, 8})});
  const Model model = DescribeModel(config, tensors, "m");
  EXPECT_EQ(
      MatrixNamed(model, "model.layers.1.mlp.shared_experts.up_proj.weight")
          .role,
      "shared_up_proj");
  EXPECT_EQ(
      Lines(model, "shared_head"),
      "model.layers.2.shared_head.head.weight lm_head layer=2 mtp [16, 8] <- "
      "model.layers.2.shared_head.norm.weight\n");
  EXPECT_EQ(Lines(model, "eh_proj"),
            "model.layers.2.eh_proj.weight other layer=2 mtp [8, 16]\n");
}

TEST(DbrxTest, CutsFlatStacksAndTransposesTheLastProjection) {
  const Json config = Config(R"({
      "model_type": "dbrx", "d_model": 8, "n_heads": 4, "n_layers": 1,
      "vocab_size": 16, "attn_config": {"kv_n_heads": 2},
      "ffn_config": {"ffn_hidden_size": 6, "moe_num_experts": 2},
      "tie_word_embeddings": false})");
  const std::string block = "transformer.blocks.0.";
  const std::vector<TensorInfo> tensors = {
      Tensor("transformer.wte.weight", {16, 8}),
      Tensor("transformer.norm_f.weight", {8}),
      Tensor("lm_head.weight", {16, 8}),
      Tensor(block + "norm_attn_norm.norm_1.weight", {8}),
      Tensor(block + "norm_attn_norm.norm_2.weight", {8}),
      Tensor(block + "norm_attn_norm.attn.Wqkv.weight", {16, 8}),
      Tensor(block + "norm_attn_norm.attn.out_proj.weight", {8, 8}),
      Tensor(block + "ffn.router.layer.weight", {2, 8}),
      Tensor(block + "ffn.experts.mlp.w1", {12, 8}),
      Tensor(block + "ffn.experts.mlp.v1", {12, 8}),
      Tensor(block + "ffn.experts.mlp.w2", {12, 8})};
  EXPECT_EQ(Summary(DescribeModel(config, tensors, "m")),
            R"(transformer.wte.weight embed_tokens [16, 8]
lm_head.weight lm_head [16, 8] <- transformer.norm_f.weight
transformer.blocks.0.norm_attn_norm.attn.q_proj.weight q_proj part=q layer=0 [8, 8] <- transformer.blocks.0.norm_attn_norm.norm_1.weight
transformer.blocks.0.norm_attn_norm.attn.k_proj.weight k_proj part=k layer=0 [4, 8] <- transformer.blocks.0.norm_attn_norm.norm_1.weight
transformer.blocks.0.norm_attn_norm.attn.v_proj.weight v_proj part=v layer=0 [4, 8] <- transformer.blocks.0.norm_attn_norm.norm_1.weight
transformer.blocks.0.norm_attn_norm.attn.out_proj.weight o_proj layer=0 [8, 8]
transformer.blocks.0.ffn.router.layer.weight router layer=0 [2, 8] <- transformer.blocks.0.norm_attn_norm.norm_2.weight
transformer.blocks.0.ffn.experts.0.gate_proj.weight gate_proj layer=0 expert=0 [6, 8] <- transformer.blocks.0.norm_attn_norm.norm_2.weight
transformer.blocks.0.ffn.experts.1.gate_proj.weight gate_proj layer=0 expert=1 [6, 8] <- transformer.blocks.0.norm_attn_norm.norm_2.weight
transformer.blocks.0.ffn.experts.0.up_proj.weight up_proj layer=0 expert=0 [6, 8] <- transformer.blocks.0.norm_attn_norm.norm_2.weight
transformer.blocks.0.ffn.experts.1.up_proj.weight up_proj layer=0 expert=1 [6, 8] <- transformer.blocks.0.norm_attn_norm.norm_2.weight
transformer.blocks.0.ffn.experts.0.down_proj.weight down_proj layer=0 expert=0 [8, 6] transposed
transformer.blocks.0.ffn.experts.1.down_proj.weight down_proj layer=0 expert=1 [8, 6] transposed
)");
}

// 3 heads of 4 + 2 for keys and 5 for values; latent 7, query latent 6.
std::vector<TensorInfo> LatentTensors() {
  auto tensors = AroundMixture("model.");
  const std::string layer = "model.layers.0.";
  const std::string attention = layer + "self_attn.";
  Append(tensors, {Tensor(layer + "input_layernorm.weight", {8}),
                   Tensor(layer + "post_attention_layernorm.weight", {8}),
                   Tensor(attention + "q_a_proj.weight", {6, 8}),
                   Tensor(attention + "q_a_layernorm.weight", {6}),
                   Tensor(attention + "q_b_proj.weight", {18, 6}),
                   Tensor(attention + "kv_a_proj_with_mqa.weight", {9, 8}),
                   Tensor(attention + "kv_a_layernorm.weight", {7}),
                   Tensor(attention + "kv_b_proj.weight", {27, 7}),
                   Tensor(attention + "o_proj.weight", {8, 15}),
                   Tensor(layer + "mlp.gate_proj.weight", {12, 8}),
                   Tensor(layer + "mlp.up_proj.weight", {12, 8}),
                   Tensor(layer + "mlp.down_proj.weight", {8, 12})});
  return tensors;
}

constexpr const char* kLatent = R"({
  "model_type": "glm4_moe_lite", "hidden_size": 8, "num_hidden_layers": 1,
  "num_attention_heads": 3, "num_key_value_heads": 3, "vocab_size": 16,
  "qk_nope_head_dim": 4, "qk_rope_head_dim": 2, "v_head_dim": 5,
  "kv_lora_rank": 7, "q_lora_rank": 6, "intermediate_size": 12,
  "moe_intermediate_size": 6, "n_routed_experts": 2,
  "first_k_dense_replace": 1, "tie_word_embeddings": false})";

constexpr const char* kLatentMatrices =
    R"(model.layers.0.self_attn.q_a_proj.weight q_a_proj layer=0 [6, 8] <- model.layers.0.input_layernorm.weight
model.layers.0.self_attn.q_b_proj.weight q_b_proj layer=0 [18, 6] <- model.layers.0.self_attn.q_a_layernorm.weight
model.layers.0.self_attn.kv_a_proj_with_mqa.weight kv_a_proj layer=0 [9, 8] <- model.layers.0.input_layernorm.weight
model.layers.0.self_attn.embed_q.weight embed_q part=embed_q layer=0 [21, 4] transposed
model.layers.0.self_attn.unembed_out.weight unembed_out part=unembed_out layer=0 [15, 7] <- model.layers.0.self_attn.kv_a_layernorm.weight
model.layers.0.self_attn.o_proj.weight o_proj layer=0 [8, 15]
)";

TEST(Glm4MoeLiteTest, CutsTheLatentProjectionPerHead) {
  const Model model = DescribeModel(Config(kLatent), LatentTensors(), "m");
  EXPECT_EQ(Lines(model, "self_attn."), kLatentMatrices);
  const Matrix& values =
      MatrixNamed(model, "model.layers.0.self_attn.unembed_out.weight");
  EXPECT_EQ(values.first_row, 4u);
  EXPECT_EQ(values.block_rows, 5u);
  EXPECT_EQ(values.block_stride, 9u);
  EXPECT_EQ(values.blocks, 3u);
}

TEST(DeepSeekV3Test, CutsTheLatentProjectionPerHead) {
  Json config = Config(kLatent);
  config["model_type"] = "deepseek_v3";
  EXPECT_EQ(Lines(DescribeModel(config, LatentTensors(), "m"), "self_attn."),
            kLatentMatrices);
}

TEST(DeepSeekV3Test, MayProjectTheQueryInOneStep) {
  Json config = Config(kLatent);
  config["model_type"] = "deepseek_v3";
  config["q_lora_rank"] = nullptr;
  auto tensors = LatentTensors();
  std::erase_if(tensors, [](const TensorInfo& tensor) {
    return tensor.name.find(".q_") != tensor.name.npos;
  });
  tensors.push_back(Tensor("model.layers.0.self_attn.q_proj.weight", {18, 8}));
  EXPECT_EQ(MatrixNamed(DescribeModel(config, tensors, "m"),
                        "model.layers.0.self_attn.q_proj.weight")
                .role,
            "q_proj");
}

}  // namespace
}  // namespace ram
