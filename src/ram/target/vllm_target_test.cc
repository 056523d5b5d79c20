#include "ram/target/vllm_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/target/safetensors_files.h"
#include "ram/target/test_layout.h"

namespace ram {
namespace {

using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;

const VllmTarget kPortable(true);

Json DenseConfig() {
  return Json::parse(R"({
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
    "hidden_size": 128, "intermediate_size": 160, "num_hidden_layers": 1,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 32,
    "vocab_size": 128, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16"})");
}

Json MixtureConfig() {
  Json config = DenseConfig();
  config.update(Json::parse(R"({
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe",
    "num_hidden_layers": 2, "num_experts": 3, "num_experts_per_tok": 2,
    "moe_intermediate_size": 64, "decoder_sparse_step": 1,
    "mlp_only_layers": []})"));
  return config;
}

std::vector<std::string> UnitNames(const TargetLayout& layout) {
  std::vector<std::string> names;
  for (const Unit& unit : layout.units) names.push_back(unit.name);
  return names;
}

// `scheme` where it is legal, 16 bits elsewhere.
std::vector<Scheme> Everywhere(const TargetLayout& layout,
                               const Scheme& scheme) {
  std::vector<Scheme> schemes;
  for (const Unit& unit : layout.units) {
    schemes.push_back(kPortable.Closest(unit, scheme));
  }
  return schemes;
}

std::map<std::string, std::vector<uint64_t>> ShapesUnder(
    const TargetLayout& layout, std::span<const Scheme> schemes) {
  std::map<std::string, std::vector<uint64_t>> shapes;
  for (const OutputFileLayout& file : kPortable.LayOutFiles(layout, schemes)) {
    for (const StoredTensor& tensor : file.tensors) {
      shapes[tensor.name] = tensor.shape;
    }
  }
  return shapes;
}

Json Quantization(const Json& config, const Scheme& scheme) {
  const Model model = ModelOf(config);
  const TargetLayout layout = kPortable.Describe(model);
  return Json::parse(
             kPortable.ConfigText(model, layout, Everywhere(layout, scheme)))
      .at("quantization_config");
}

TEST(VllmTargetTest, TakesTogetherWhatTheRuntimeFuses) {
  const TargetLayout layout = kPortable.Describe(ModelOf(DenseConfig()));
  EXPECT_THAT(
      UnitNames(layout),
      ElementsAre("model.embed_tokens", "model.layers.0.self_attn.qkv_proj",
                  "model.layers.0.self_attn.o_proj",
                  "model.layers.0.mlp.gate_up_proj",
                  "model.layers.0.mlp.down_proj", "lm_head"));
  const Unit& qkv = UnitNamed(layout, "model.layers.0.self_attn.qkv_proj");
  EXPECT_EQ(qkv.weights(), (128u + 64 + 64) * 128);
  ASSERT_EQ(qkv.modules.size(), 3u);
  EXPECT_EQ(qkv.modules[1].name, "model.layers.0.self_attn.k_proj");
  EXPECT_THAT(qkv.modules[1].shape, ElementsAre(64, 128));
}

TEST(VllmTargetTest, TakesAllExpertsOfALayerTogether) {
  const TargetLayout layout = kPortable.Describe(ModelOf(MixtureConfig()));
  const Unit& experts = UnitNamed(layout, "model.layers.1.mlp.experts");
  EXPECT_EQ(experts.members.size(), 9u);
  EXPECT_EQ(experts.modules.size(), 9u);
  EXPECT_EQ(experts.weights(), 3u * 3 * 64 * 128);
  EXPECT_THAT(UnitNames(layout), Contains("model.layers.1.mlp.gate"));
}

TEST(VllmTargetTest, StoresEveryModuleByItself) {
  const TargetLayout layout = kPortable.Describe(ModelOf(DenseConfig()));
  const auto shapes = ShapesUnder(layout, Everywhere(layout, SignedInt(4, 32)));
  const std::string down = "model.layers.0.mlp.down_proj";
  EXPECT_THAT(shapes.at(down + ".weight_packed"), ElementsAre(128, 20));
  EXPECT_THAT(shapes.at(down + ".weight_scale"), ElementsAre(128, 5));
  EXPECT_THAT(shapes.at(down + ".weight_shape"), ElementsAre(2));
  EXPECT_FALSE(shapes.contains(down + ".weight"));
  EXPECT_THAT(shapes.at("model.layers.0.self_attn.v_proj.weight_packed"),
              ElementsAre(64, 16));
  EXPECT_THAT(shapes.at("lm_head.weight"), ElementsAre(128, 128));
}

// 160 = 5 x 32; the router and the vocabulary stay.
TEST(VllmTargetTest, OffersWhatTheRuntimeHasKernelsFor) {
  const TargetLayout layout = kPortable.Describe(ModelOf(DenseConfig()));
  EXPECT_THAT(UnitNamed(layout, "model.layers.0.self_attn.qkv_proj").legal,
              ElementsAre(SignedInt(4, 128), SignedInt(4, 32),
                          SignedInt(8, 128), SignedInt(8, 32), kFloat16Scheme));
  EXPECT_THAT(UnitNamed(layout, "model.layers.0.mlp.down_proj").legal,
              ElementsAre(SignedInt(4, 32), SignedInt(8, 32), kFloat16Scheme));
  for (const char* name : {"model.embed_tokens", "lm_head"}) {
    EXPECT_THAT(UnitNamed(layout, name).legal, ElementsAre(kFloat16Scheme));
  }
  const TargetLayout mixture = kPortable.Describe(ModelOf(MixtureConfig()));
  EXPECT_THAT(UnitNamed(mixture, "model.layers.0.mlp.gate").legal,
              ElementsAre(kFloat16Scheme));
}

TEST(VllmTargetTest, OffersOtherWidthsWhenAsked) {
  const VllmTarget any(false);
  EXPECT_EQ(any.name(), "vllm-unportable");
  EXPECT_EQ(kPortable.SchemeOf(3, std::nullopt), std::nullopt);
  EXPECT_EQ(any.SchemeOf(3, std::nullopt), SignedInt(3, 128));
  EXPECT_EQ(any.Schemes().size(), 12u);
  EXPECT_EQ(SchemesText(kPortable),
            "int4 g128, int4 g32, int8 g128 or int8 g32");
}

TEST(VllmTargetTest, KeepsTheHalvesOfLatentAttentionTogether) {
  const Json golden =
      ReadJsonFile(RAM_SOURCE_DIR "/tests/data/mlx_names/glm4_moe_lite.json");
  const TargetLayout layout = kPortable.Describe(ModelOf(golden["config"]));
  std::vector<std::string> plain;
  for (const PlainTensor& tensor : layout.plain) plain.push_back(tensor.name);
  EXPECT_THAT(plain, Contains("model.layers.0.self_attn.kv_b_proj.weight"));
  const Unit& fused =
      UnitNamed(layout, "model.layers.0.self_attn.fused_qkv_a_proj");
  EXPECT_EQ(fused.modules.size(), 2u);
}

TEST(VllmTargetTest, KeepsMixtralsNames) {
  const Json golden =
      ReadJsonFile(RAM_SOURCE_DIR "/tests/data/mlx_names/mixtral.json");
  const TargetLayout layout = kPortable.Describe(ModelOf(golden["config"]));
  const Unit& experts =
      UnitNamed(layout, "model.layers.0.block_sparse_moe.experts");
  std::vector<std::string> names;
  for (const UnitModule& module : experts.modules) names.push_back(module.name);
  EXPECT_THAT(names, Contains("model.layers.0.block_sparse_moe.experts.1.w2"));
  EXPECT_THAT(names, Each(Not(HasSubstr("proj"))));
}

TEST(VllmTargetTest, RefusesTensorsThatTheModulesLack) {
  const Json config = DenseConfig();
  std::vector<TensorInfo> tensors = ExpectedTensors(config);
  for (TensorInfo& tensor : tensors) {
    if (tensor.name == "model.layers.0.self_attn.o_proj.weight") {
      tensor.storage.kind = Storage::Kind::kDense;
      tensor.name = "model.layers.0.self_attn.wo.weight";
    }
  }
  EXPECT_THROW(kPortable.Describe(DescribeModel(config, tensors, "model")),
               Error);
}

TEST(VllmTargetTest, CountsTheBytesOfItsFiles) {
  for (const Json& config : {DenseConfig(), MixtureConfig()}) {
    const TargetLayout layout = kPortable.Describe(ModelOf(config));
    for (const Scheme& scheme :
         {SignedInt(4, 32), SignedInt(8, 128), kFloat16Scheme}) {
      const auto schemes = scheme == kFloat16Scheme
                               ? std::vector<Scheme>(layout.units.size())
                               : Everywhere(layout, scheme);
      const auto files = kPortable.LayOutFiles(layout, schemes);
      EXPECT_EQ(kPortable.FileBytes(layout, schemes), TotalFileBytes(files));
      uint64_t stored = 0, planned = 0;
      for (const StoredTensor& tensor : files[0].tensors) {
        stored += tensor.bytes;
        if (tensor.kind == StoredTensor::Kind::kPlain) planned += tensor.bytes;
      }
      for (size_t u = 0; u < schemes.size(); ++u) {
        planned += layout.units[u].bytes(schemes[u]);
      }
      EXPECT_EQ(stored, planned);
    }
  }
}

TEST(VllmTargetTest, NamesEveryModuleInTheConfig) {
  const Json quantization = Quantization(DenseConfig(), SignedInt(4, 32));
  EXPECT_EQ(quantization["quant_method"], "compressed-tensors");
  EXPECT_EQ(quantization["format"], "pack-quantized");
  ASSERT_EQ(quantization["config_groups"].size(), 1u);
  const Json& group = quantization["config_groups"]["group_0"];
  const std::string layer = "model.layers.0.";
  EXPECT_EQ(group["targets"],
            Json({layer + "self_attn.q_proj", layer + "self_attn.k_proj",
                  layer + "self_attn.v_proj", layer + "self_attn.o_proj",
                  layer + "mlp.gate_proj", layer + "mlp.up_proj",
                  layer + "mlp.down_proj"}));
  EXPECT_EQ(group["weights"],
            Json::parse(R"({"num_bits": 4, "type": "int", "symmetric": true,
                            "strategy": "group", "group_size": 32,
                            "dynamic": false})"));
  EXPECT_EQ(quantization["ignore"], Json({"lm_head"}));
}

TEST(VllmTargetTest, GroupsModulesByScheme) {
  const Json quantization = Quantization(DenseConfig(), SignedInt(8, 128));
  ASSERT_EQ(quantization["config_groups"].size(), 2u);
  EXPECT_EQ(quantization["config_groups"]["group_0"]["targets"],
            Json({"model.layers.0.mlp.down_proj"}));
  EXPECT_EQ(quantization["config_groups"]["group_0"]["weights"]["group_size"],
            32);
}

TEST(VllmTargetTest, NamesExpertsByAPattern) {
  const Json quantization = Quantization(MixtureConfig(), SignedInt(4, 32));
  EXPECT_THAT(quantization["config_groups"]["group_0"]["targets"]
                  .get<std::vector<std::string>>(),
              Contains("re:model[.]layers[.]1[.]mlp[.]experts[.].*"));
  EXPECT_EQ(
      quantization["ignore"],
      Json({"model.layers.0.mlp.gate", "model.layers.1.mlp.gate", "lm_head"}));
}

TEST(VllmTargetTest, SaysNothingWhereNothingIsQuantized) {
  const Model model = ModelOf(DenseConfig());
  const TargetLayout layout = kPortable.Describe(model);
  const std::vector<Scheme> schemes(layout.units.size());
  EXPECT_FALSE(Json::parse(kPortable.ConfigText(model, layout, schemes))
                   .contains("quantization_config"));
}

TEST(VllmTargetTest, NotesExpertsOfDifferentPrecisions) {
  const TargetLayout layout = kPortable.Describe(ModelOf(MixtureConfig()));
  auto schemes = Everywhere(layout, SignedInt(4, 32));
  EXPECT_TRUE(kPortable.Notes(layout, schemes).empty());
  for (size_t u = 0; u < schemes.size(); ++u) {
    if (layout.units[u].name == "model.layers.1.mlp.experts") {
      schemes[u] = SignedInt(8, 32);
    }
  }
  EXPECT_THAT(kPortable.Notes(layout, schemes),
              ElementsAre(HasSubstr("experts of different layers")));
}

}  // namespace
}  // namespace ram
