// What DescribeModel refuses, whole message by whole message.
#include <gtest/gtest.h>

#include "ram/checkpoint/expected_tensors.h"
#include "ram/checkpoint/model.h"
#include "ram/checkpoint/test_support.h"

namespace ram {
namespace {

constexpr const char* kDense = R"({
  "model_type": "qwen3", "hidden_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
  "intermediate_size": 96, "vocab_size": 512, "tie_word_embeddings": false})";

constexpr const char* kMixture = R"({
  "model_type": "qwen3_moe", "hidden_size": 64, "num_hidden_layers": 2,
  "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
  "moe_intermediate_size": 32, "num_experts": 4, "vocab_size": 512,
  "tie_word_embeddings": false})";

// The error of describing `config`'s own tensors under `config` changed.
std::string ErrorWith(const char* config, const std::string& changes) {
  const Json original = Config(config);
  Json changed = original;
  changed.merge_patch(Config(changes));
  return ErrorOf(
      [&] { DescribeModel(changed, ExpectedTensors(original), "DIR"); });
}

std::string ErrorWithout(const char* config, const std::string& name) {
  const Json read = Config(config);
  auto tensors = ExpectedTensors(read);
  std::erase_if(tensors,
                [&](const TensorInfo& t) { return t.name.starts_with(name); });
  return ErrorOf([&] { DescribeModel(read, tensors, "DIR"); });
}

std::string ErrorAdding(const char* config, TensorInfo tensor) {
  const Json read = Config(config);
  auto tensors = ExpectedTensors(read);
  tensors.push_back(std::move(tensor));
  return ErrorOf([&] { DescribeModel(read, tensors, "DIR"); });
}

TEST(DescribeModelTest, RefusesAnotherHiddenSize) {
  EXPECT_EQ(ErrorWith(kDense, R"({"hidden_size": 4096})"),
            "3 DIR/config.json: hidden_size: found 4096, but "
            "model.embed_tokens.weight is [512, 64] (expected its second "
            "dimension to be hidden_size)");
}

TEST(DescribeModelTest, RefusesAnotherVocabulary) {
  EXPECT_EQ(ErrorWith(kDense, R"({"vocab_size": 500})"),
            "3 DIR/config.json: vocab_size: found 500, but "
            "model.embed_tokens.weight is [512, 64] (expected its first "
            "dimension to be vocab_size)");
}

TEST(DescribeModelTest, RefusesAnotherFeedForward) {
  EXPECT_EQ(ErrorWith(kDense, R"({"intermediate_size": 100})"),
            "3 DIR/config.json: intermediate_size: found 100, but "
            "model.layers.0.mlp.gate_proj.weight is [96, 64] (expected its "
            "first dimension to be intermediate_size)");
}

TEST(DescribeModelTest, RefusesAnotherExpertWidth) {
  EXPECT_EQ(ErrorWith(kMixture, R"({"moe_intermediate_size": 16})"),
            "3 DIR/config.json: moe_intermediate_size: found 16, but "
            "model.layers.0.mlp.experts.0.gate_proj.weight is [32, 64] "
            "(expected its first dimension to be moe_intermediate_size)");
}

TEST(DescribeModelTest, RefusesAnotherNumberOfHeads) {
  EXPECT_EQ(ErrorWith(kDense, R"({"num_attention_heads": 8})"),
            "3 DIR/config.json: num_attention_heads * head_dim: found 128, but "
            "model.layers.0.self_attn.q_proj.weight is [64, 64] (expected its "
            "first dimension to be num_attention_heads * head_dim)");
}

TEST(DescribeModelTest, RefusesAnotherNumberOfKeyHeads) {
  EXPECT_EQ(ErrorWith(kDense, R"({"num_key_value_heads": 4})"),
            "3 DIR/config.json: num_key_value_heads * head_dim: found 64, but "
            "model.layers.0.self_attn.k_proj.weight is [32, 64] (expected its "
            "first dimension to be num_key_value_heads * head_dim)");
}

TEST(DescribeModelTest, RefusesAnotherHeadWidth) {
  EXPECT_EQ(ErrorWith(kDense, R"({"head_dim": 32})"),
            "3 DIR/config.json: num_attention_heads * head_dim: found 128, but "
            "model.layers.0.self_attn.q_proj.weight is [64, 64] (expected its "
            "first dimension to be num_attention_heads * head_dim)");
}

TEST(DescribeModelTest, RefusesFewerLayersThanStored) {
  EXPECT_EQ(ErrorWith(kDense, R"({"num_hidden_layers": 1})"),
            "3 DIR/config.json: num_hidden_layers: found 1, but "
            "model.layers.1.self_attn.q_proj.weight is there (expected layers "
            "0 to 0)");
}

TEST(DescribeModelTest, NamesTheFirstTensorOfAMissingLayer) {
  EXPECT_EQ(ErrorWith(kDense, R"({"num_hidden_layers": 3})"),
            "3 DIR: model.layers.2.self_attn.q_proj.weight: found nothing, "
            "expected this tensor (DIR/config.json calls for it)");
}

TEST(DescribeModelTest, NamesAMissingNorm) {
  EXPECT_EQ(ErrorWithout(kDense, "model.layers.1.input_layernorm.weight"),
            "3 DIR: model.layers.1.input_layernorm.weight: found nothing, "
            "expected this tensor (DIR/config.json calls for it)");
}

TEST(DescribeModelTest, NamesAMissingEmbedding) {
  EXPECT_EQ(ErrorWithout(kDense, "model.embed_tokens.weight"),
            "3 DIR: model.embed_tokens.weight: found nothing, expected this "
            "tensor (DIR/config.json calls for it)");
}

TEST(DescribeModelTest, NamesAMissingExpert) {
  EXPECT_EQ(ErrorWithout(kMixture, "model.layers.1.mlp.experts.2."),
            "3 DIR: model.layers.1.mlp.experts.2.gate_proj.weight: found "
            "nothing, expected this tensor (DIR/config.json calls for it)");
}

TEST(DescribeModelTest, NamesAMissingExpertOfALargerMixture) {
  const std::string error = ErrorWith(kMixture, R"({"num_experts": 5})");
  EXPECT_EQ(error,
            "3 DIR/config.json: num_experts: found 5, but "
            "model.layers.0.mlp.gate.weight is [4, 64] (expected its first "
            "dimension to be num_experts)");
}

TEST(DescribeModelTest, RefusesAnExpertTooMany) {
  EXPECT_EQ(ErrorAdding(kMixture,
                        Tensor("model.layers.0.mlp.experts.4.up_proj.weight",
                               {32, 64})),
            "3 DIR/config.json: num_experts: found 4, but "
            "model.layers.0.mlp.experts.4.up_proj.weight is there (expected "
            "experts 0 to 3)");
}

TEST(DescribeModelTest, RefusesZeroExperts) {
  EXPECT_EQ(ErrorWith(kMixture, R"({"num_experts": 0})"),
            "3 DIR/config.json: num_experts: found zero experts, expected 1 to "
            "65536 in a mixture of experts");
}

TEST(DescribeModelTest, RefusesAMixtureWithoutANumber) {
  EXPECT_EQ(ErrorWith(kMixture, R"({"num_experts": null})"),
            "3 DIR/config.json: num_experts: found nothing, expected a whole "
            "number, zero or more");
}

TEST(DescribeModelTest, RefusesZeroLayers) {
  EXPECT_EQ(ErrorWith(kDense, R"({"num_hidden_layers": 0})"),
            "3 DIR/config.json: num_hidden_layers: found 0, expected 1 to "
            "10000");
}

TEST(DescribeModelTest, RefusesNegativeNumbers) {
  EXPECT_EQ(ErrorWith(kDense, R"({"hidden_size": -64})"),
            "3 DIR/config.json: hidden_size: found -64, expected a whole "
            "number, zero or more");
}

TEST(DescribeModelTest, RefusesDimensionsThatOverflow) {
  EXPECT_EQ(
      ErrorWith(kDense, R"({"num_attention_heads": 9223372036854775807})"),
      "3 DIR/config.json: num_attention_heads * head_dim: found more than 64 "
      "bits can hold, expected a dimension");
}

TEST(DescribeModelTest, RefusesAMissingHead) {
  EXPECT_EQ(ErrorWithout(kDense, "lm_head.weight"),
            "3 DIR: lm_head.weight: found nothing, expected this tensor "
            "(DIR/config.json: tie_word_embeddings is false)");
}

TEST(DescribeModelTest, RefusesAnotherNumberOfDimensions) {
  const Json config = Config(kDense);
  auto tensors = ExpectedTensors(config);
  tensors[0].shape = {512, 8, 8};
  EXPECT_EQ(ErrorOf([&] { DescribeModel(config, tensors, "DIR"); }),
            "3 DIR: model.embed_tokens.weight: found shape [512, 8, 8], "
            "expected [512, 64]");
}

TEST(DescribeModelTest, RefusesEmptyTensors) {
  EXPECT_EQ(ErrorAdding(kDense, Tensor("extra", {3, 0})),
            "3 DIR: extra: found an empty tensor of shape [3, 0], expected "
            "every dimension to be 1 or more");
}

TEST(DescribeModelTest, RefusesEmptyTensorsOfUnknownArchitectures) {
  EXPECT_EQ(ErrorOf([] { DescribeModel(Json(), {Tensor("x", {0})}, "DIR"); }),
            "3 DIR: x: found an empty tensor of shape [0], expected every "
            "dimension to be 1 or more");
}

TEST(DescribeModelTest, RefusesShapesThatOverflow) {
  const uint64_t big = uint64_t{1} << 40;
  EXPECT_EQ(
      ErrorOf([&] {
        DescribeModel(Json(), {Tensor("x", {big, big})}, "DIR");
      }),
      "3 DIR: x: found shape [1099511627776, 1099511627776], expected one "
      "whose size fits 64 bits");
}

TEST(DescribeModelTest, RefusesRepeatedNames) {
  EXPECT_EQ(ErrorAdding(kDense, Tensor("model.norm.weight", {64})),
            "3 DIR: model.norm.weight: found this tensor twice, expected once");
}

TEST(DescribeModelTest, RefusesPackedExpertsBesideSeparateOnes) {
  EXPECT_EQ(
      ErrorAdding(kMixture,
                  Tensor("model.layers.0.mlp.experts.down_proj", {4, 64, 32})),
      "3 DIR: model.layers.0.mlp.experts.0.down_proj.weight: found this matrix "
      "in two tensors, expected it once");
}

TEST(DescribeModelTest, RefusesIntegerWeights) {
  const Json config = Config(kDense);
  auto tensors = ExpectedTensors(config);
  tensors[0].dtype = DType::kI32;
  EXPECT_EQ(ErrorOf([&] { DescribeModel(config, tensors, "DIR"); }),
            "4 DIR: model.embed_tokens.weight: found I32, expected F32, F16, "
            "BF16 or F8_E4M3 weights");
}

TEST(DescribeModelTest, RefusesConfigsThatAreNoObject) {
  EXPECT_EQ(ErrorOf([] { DescribeModel(Config("[1]"), {}, "DIR"); }),
            "3 DIR/config.json: found array, expected a JSON object");
}

TEST(DescribeModelTest, RefusesGptq) {
  EXPECT_EQ(
      ErrorWith(kDense, R"({"quantization_config": {"quant_method": "gptq"}})"),
      "4 DIR/config.json: quantization_config: found quant_method 'gptq', "
      "expected float weights, FP8 with block scales, or affine codes that "
      "config.json describes (start from the checkpoint this one was made "
      "from)");
}

TEST(DescribeModelTest, RefusesQuantizedTensorsWithoutAConfig) {
  const std::vector<TensorInfo> tensors = {
      Tensor("a.weight", {8, 8}, DType::kU32), Tensor("a.scales", {8, 1})};
  EXPECT_EQ(ErrorOf([&] { DescribeModel(Json(), tensors, "a.safetensors"); }),
            "4 a.safetensors: a.scales: found the codes or scales of a "
            "quantized weight, expected float weights, FP8 with block scales, "
            "or affine codes that config.json describes (start from the "
            "checkpoint this one was made from)");
}

// One FP8 matrix [200, 300] and whatever scales.
std::string ErrorWithScales(std::vector<TensorInfo> scales,
                            const Json& config = Json()) {
  scales.push_back(Tensor("a.weight", {200, 300}, DType::kF8E4M3));
  return ErrorOf([&] { DescribeModel(config, scales, "DIR"); });
}

TEST(BlockScalesTest, AcceptsOneScalePerBlock) {
  EXPECT_EQ(ErrorWithScales({Tensor("a.weight_scale_inv", {2, 3})}),
            "no error");
}

TEST(BlockScalesTest, FollowsTheConfigsBlockSize) {
  const Json config = Config(R"({"quantization_config": {"quant_method": "fp8",
                 "weight_block_size": [64, 32]}})");
  EXPECT_EQ(ErrorWithScales({Tensor("a.weight_scale_inv", {4, 10})}, config),
            "no error");
}

TEST(BlockScalesTest, RefusesMissingScales) {
  EXPECT_EQ(ErrorWithScales({}),
            "3 DIR: a.weight: found F8_E4M3 [200, 300], expected at least two "
            "dimensions and its scales in a.weight_scale_inv");
}

TEST(BlockScalesTest, RefusesMisshapenScales) {
  EXPECT_EQ(ErrorWithScales({Tensor("a.weight_scale_inv", {1, 3})}),
            "3 DIR: a.weight_scale_inv: found shape [1, 3], expected [2, 3] "
            "(one scale per 128 x 128 block of a.weight [200, 300])");
}

TEST(BlockScalesTest, RefusesIntegerScales) {
  EXPECT_EQ(
      ErrorWithScales({Tensor("a.weight_scale_inv", {2, 3}, DType::kI32)}),
      "4 DIR: a.weight_scale_inv: found I32, expected F32 or BF16");
}

TEST(BlockScalesTest, RefusesScalesOfSomethingElse) {
  const std::vector<TensorInfo> tensors = {
      Tensor("a.weight", {200, 300}), Tensor("a.weight_scale_inv", {2, 3})};
  EXPECT_EQ(ErrorOf([&] { DescribeModel(Json(), tensors, "DIR"); }),
            "3 DIR: a.weight_scale_inv: found scales, but a.weight is BF16, "
            "expected F8_E4M3");
}

TEST(BlockScalesTest, RefusesABlockSizeOfZero) {
  const Json config = Config(R"({"quantization_config": {"quant_method": "fp8",
                 "weight_block_size": [0, 128]}})");
  EXPECT_EQ(ErrorWithScales({Tensor("a.weight_scale_inv", {2, 3})}, config),
            "3 DIR/config.json: quantization_config.weight_block_size: found "
            "[0,128], expected two whole numbers above zero");
}

TEST(BlockScalesTest, DoesNotCountScalesAsWeights) {
  const Model model =
      DescribeModel(Json(),
                    {Tensor("a.weight", {200, 300}, DType::kF8E4M3),
                     Tensor("a.weight_scale_inv", {2, 3}, DType::kF32)},
                    "DIR");
  EXPECT_EQ(model.weights(), 60'000u);
  EXPECT_EQ(model.main_dtype(), DType::kF8E4M3);
  EXPECT_EQ(UseOf(model, "a.weight_scale_inv"), TensorUse::kScale);
}

}  // namespace
}  // namespace ram
