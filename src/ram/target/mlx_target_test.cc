#include "ram/target/mlx_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "ram/base/error.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/target/test_layout.h"

namespace ram {
namespace {

using testing::ElementsAre;
using Shape = std::vector<uint64_t>;

Json QwenConfig() {
  return Json::parse(R"({
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
    "vocab_size": 128, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16"})");
}

std::vector<Scheme> All(const TargetLayout& layout, const Scheme& scheme) {
  return std::vector<Scheme>(layout.units.size(), scheme);
}

std::map<std::string, Shape> StoredShapes(const TargetLayout& layout,
                                          const Scheme& scheme) {
  std::map<std::string, Shape> shapes;
  const auto files = MlxTarget().LayOutFiles(layout, All(layout, scheme));
  for (const OutputFileLayout& file : files) {
    for (const StoredTensor& tensor : file.tensors) {
      shapes[tensor.name] = tensor.shape;
    }
  }
  return shapes;
}

// tests/data/mlx_names/FAMILY.json: what mlx-lm's own class has.
class MlxNamesTest : public testing::TestWithParam<const char*> {};

TEST_P(MlxNamesTest, ArePreciselyThoseOfTheModelClass) {
  const Json golden =
      ReadJsonFile(std::string(RAM_SOURCE_DIR) + "/tests/data/mlx_names/" +
                   GetParam() + ".json");
  std::map<std::string, Shape> expected;
  for (const auto& [name, shape] : golden["parameters"].items()) {
    expected[name] = shape.get<Shape>();
  }
  const Json& config = golden["config"];
  Json outer = config;  // the family is that of the whole model
  if (outer.contains("text_config")) outer["text_config"].erase("model_type");
  std::vector<TensorInfo> tensors = ExpectedTensors(outer);
  // Published checkpoints have the router's correction, old ones do not.
  const std::string correction =
      "model.layers.1.mlp.gate.e_score_correction_bias";
  if (expected.contains(correction)) {
    tensors.push_back(
        {correction, "", DType::kF32, expected.at(correction), 0});
  }
  const TargetLayout layout =
      MlxTarget().Describe(DescribeModel(config, tensors, "model"));
  EXPECT_EQ(StoredShapes(layout, kFloat16Scheme), expected);
}

INSTANTIATE_TEST_SUITE_P(Families, MlxNamesTest,
                         testing::Values("llama", "mistral", "mixtral", "qwen2",
                                         "qwen3", "qwen3_moe", "qwen3_5",
                                         "qwen3_5_moe", "glm4", "glm4_moe",
                                         "glm4_moe_lite", "deepseek_v3", "dbrx",
                                         "phi3", "gemma3_text", "gemma3",
                                         "gpt2"));

TEST(MlxTargetTest, StoresCodesScalesAndBiases) {
  const auto shapes =
      StoredShapes(MlxTarget().Describe(ModelOf(QwenConfig())), Affine(3, 32));
  EXPECT_THAT(shapes.at("model.layers.0.mlp.down_proj.weight"),
              ElementsAre(64, 9));
  EXPECT_THAT(shapes.at("model.layers.0.mlp.down_proj.scales"),
              ElementsAre(64, 3));
  EXPECT_THAT(shapes.at("model.layers.0.mlp.down_proj.biases"),
              ElementsAre(64, 3));
}

TEST(MlxTargetTest, OffersGroupSizesThatDivideTheRows) {
  const TargetLayout layout = MlxTarget().Describe(ModelOf(QwenConfig()));
  const Unit& down = UnitNamed(layout, "model.layers.0.mlp.down_proj");
  EXPECT_THAT(
      down.legal,
      ElementsAre(Affine(2, 32), Affine(3, 32), Affine(4, 32), Affine(5, 32),
                  Affine(6, 32), Affine(8, 32), kFloat16Scheme));
}

TEST(MlxTargetTest, LeavesTheRouterOfItsOwnClassAlone) {
  const Json golden =
      ReadJsonFile(RAM_SOURCE_DIR "/tests/data/mlx_names/glm4_moe.json");
  const TargetLayout layout = MlxTarget().Describe(ModelOf(golden["config"]));
  EXPECT_THAT(UnitNamed(layout, "model.layers.1.mlp.gate").legal,
              ElementsAre(kFloat16Scheme));
}

TEST(MlxTargetTest, StacksExpertsInTheirOrderWhateverTheFilesOrder) {
  const Json golden =
      ReadJsonFile(RAM_SOURCE_DIR "/tests/data/mlx_names/qwen3_moe.json");
  std::vector<TensorInfo> tensors = ExpectedTensors(golden["config"]);
  std::reverse(tensors.begin(), tensors.end());
  const Model model = DescribeModel(golden["config"], tensors, "model");
  const TargetLayout layout = MlxTarget().Describe(model);
  const Unit& unit = UnitNamed(layout, "model.layers.1.mlp.switch_mlp.up_proj");
  std::vector<int> experts;
  for (uint32_t member : unit.members) {
    experts.push_back(model.matrices[member].expert);
  }
  EXPECT_THAT(experts, ElementsAre(0, 1, 2, 3));
}

TEST(MlxTargetTest, DropsPredictionLayersWithAReason) {
  const Json golden =
      ReadJsonFile(RAM_SOURCE_DIR "/tests/data/mlx_names/glm4_moe.json");
  const TargetLayout layout = MlxTarget().Describe(ModelOf(golden["config"]));
  ASSERT_FALSE(layout.dropped.empty());
  for (const DroppedTensor& dropped : layout.dropped) {
    EXPECT_TRUE(dropped.tensor.starts_with("model.layers.2."))
        << dropped.tensor;
    EXPECT_EQ(dropped.why,
              "multi-token prediction: mlx-lm does not read these layers");
  }
}

TEST(MlxTargetTest, MovesConvolutionAndNormsOfQwen35Together) {
  const Json golden =
      ReadJsonFile(RAM_SOURCE_DIR "/tests/data/mlx_names/qwen3_5.json");
  std::map<std::string, PlainTensor::Change> changes;
  for (const PlainTensor& plain :
       MlxTarget().Describe(ModelOf(golden["config"])).plain) {
    changes[plain.name] = plain.change;
  }
  using Change = PlainTensor::Change;
  const std::string layer = "language_model.model.layers.0.";
  EXPECT_EQ(changes.at(layer + "linear_attn.conv1d.weight"),
            Change::kMoveAxis21);
  EXPECT_EQ(changes.at(layer + "input_layernorm.weight"), Change::kAddOne);
  EXPECT_EQ(changes.at(layer + "linear_attn.norm.weight"), Change::kNone);
  EXPECT_EQ(changes.at("language_model.model.norm.weight"), Change::kAddOne);
}

TEST(MlxTargetTest, DropsAHeadThatTheEmbeddingReplaces) {
  Json config = QwenConfig();
  const std::vector<TensorInfo> with_head = ExpectedTensors(config);
  config["tie_word_embeddings"] = true;
  const TargetLayout layout =
      MlxTarget().Describe(DescribeModel(config, with_head, "model"));
  ASSERT_EQ(layout.dropped.size(), 1u);
  EXPECT_EQ(layout.dropped[0].tensor, "lm_head.weight");
  EXPECT_EQ(layout.dropped[0].why, "the embedding is the head, too (tied)");
}

TEST(MlxTargetTest, RefusesATiedHeadThatTheRuntimeLacks) {
  Json config =
      ReadJsonFile(RAM_SOURCE_DIR "/tests/data/mlx_names/glm4.json")["config"];
  config["tie_word_embeddings"] = true;
  config["architectures"] = {"Glm4ForCausalLM"};
  try {
    (void)MlxTarget().Describe(ModelOf(config));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_STREQ(error.what(),
                 "target mlx: Glm4ForCausalLM: found an embedding that is the "
                 "head, too, "
                 "expected lm_head.weight: mlx-lm's GLM-4 has no tied head "
                 "(use target native)");
  }
}

TEST(MlxTargetTest, RefusesABiasThatTheRuntimeLacks) {
  Json config = QwenConfig();
  config["attention_bias"] = true;
  try {
    (void)MlxTarget().Describe(ModelOf(config));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUnsupported);
    EXPECT_STREQ(error.what(),
                 "target mlx: model.layers.0.self_attn.q_proj.bias: found a "
                 "bias, expected none: mlx-lm's Qwen3 has no bias there (use "
                 "target native)");
  }
}

TEST(MlxTargetTest, KeepsTheNamesOfAnUnknownArchitecture) {
  std::vector<TensorInfo> tensors = {
      {"net.3.mixer.weight", "", DType::kBF16, {64, 32}, 0},
      {"net.3.bias", "", DType::kBF16, {64}, 4096}};
  const Model model =
      DescribeModel(Json{{"model_type", "novel"}, {"architectures", {"Novel"}}},
                    tensors, "model");
  EXPECT_THAT(StoredShapes(MlxTarget().Describe(model), Affine(4, 32)),
              ElementsAre(testing::Key("net.3.bias"),
                          testing::Key("net.3.mixer.biases"),
                          testing::Key("net.3.mixer.scales"),
                          testing::Key("net.3.mixer.weight")));
}

TEST(MlxTargetTest, KeepsF32SourcesAsBF16) {
  Json config = QwenConfig();
  config["torch_dtype"] = "float32";
  const TargetLayout layout = MlxTarget().Describe(ModelOf(config));
  EXPECT_EQ(layout.units[0].kept_dtype, DType::kBF16);
  EXPECT_EQ(layout.plain[0].dtype, DType::kBF16);
}

TEST(MlxConfigTest, ListsEveryModuleThatDiffersFromTheMostFrequent) {
  const Model model = ModelOf(QwenConfig());
  const MlxTarget target;
  const TargetLayout layout = target.Describe(model);
  std::vector<Scheme> schemes = All(layout, Affine(4, 32));
  ASSERT_EQ(layout.units[0].name, "model.embed_tokens");
  schemes[0] = Affine(8, 64);
  ASSERT_EQ(layout.units.back().name, "lm_head");
  schemes.back() = kFloat16Scheme;
  const Json config = Json::parse(target.ConfigText(model, layout, schemes));
  EXPECT_EQ(config["quantization"], Json::parse(R"({
      "group_size": 32, "bits": 4, "mode": "affine",
      "model.embed_tokens": {"group_size": 64, "bits": 8, "mode": "affine"},
      "lm_head": false})"));
  EXPECT_EQ(config["quantization_config"], config["quantization"]);
}

TEST(MlxConfigTest, SaysWhetherTheHeadIsTiedSinceDefaultsDiffer) {
  Json config = QwenConfig();
  config.erase("tie_word_embeddings");
  const Model model = ModelOf(config);
  const TargetLayout layout = MlxTarget().Describe(model);
  const Json written = Json::parse(
      MlxTarget().ConfigText(model, layout, All(layout, Affine(4, 32))));
  EXPECT_EQ(written["tie_word_embeddings"], false);
}

TEST(MlxConfigTest, NamesTheClassThatLoadsTheTextModel) {
  Json config = ReadJsonFile(RAM_SOURCE_DIR
                             "/tests/data/mlx_names/qwen3_5.json")["config"];
  config = config["text_config"];
  const Model model = ModelOf(config);
  const TargetLayout layout = MlxTarget().Describe(model);
  const Json written = Json::parse(
      MlxTarget().ConfigText(model, layout, All(layout, kFloat16Scheme)));
  EXPECT_EQ(written["model_type"], "qwen3_5");
  EXPECT_FALSE(written.contains("quantization"));
}

TEST(MlxConfigTest, ReplacesTheSourcesTypeAndQuantization) {
  Json config = QwenConfig();
  config["torch_dtype"] = "float32";
  Model model = ModelOf(config);
  model.config["quantization_config"] = {{"quant_method", "fp8"}};
  const TargetLayout layout = MlxTarget().Describe(model);
  const Json written = Json::parse(
      MlxTarget().ConfigText(model, layout, All(layout, kFloat16Scheme)));
  EXPECT_EQ(written["torch_dtype"], "bfloat16");
  EXPECT_FALSE(written.contains("quantization_config"));
}

TEST(FindTargetTest, ListsTheKnownOnes) {
  EXPECT_EQ(FindTarget("mlx").name(), "mlx");
  EXPECT_EQ(FindTarget("native").name(), "native");
  try {
    FindTarget("other");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_STREQ(error.what(),
                 "target: found 'other', expected mlx, gguf, vllm or native");
  }
}

}  // namespace
}  // namespace ram
