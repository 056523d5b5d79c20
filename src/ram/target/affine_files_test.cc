#include "ram/target/affine_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

#include "ram/checkpoint/expected_tensors.h"
#include "ram/container/safetensors.h"

namespace ram {
namespace {

using testing::ElementsAre;

constexpr double kGiB = 1073741824.0;

// ../shared/configs/qwen3-8b.
Json Qwen8() {
  return Json::parse(R"({
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
    "hidden_size": 4096, "intermediate_size": 12288, "num_hidden_layers": 36,
    "num_attention_heads": 32, "num_key_value_heads": 8, "head_dim": 128,
    "vocab_size": 151936, "tie_word_embeddings": false,
    "attention_bias": false, "torch_dtype": "bfloat16"})");
}

// ../shared/configs/qwen3-30b-a3b.
Json Qwen30() {
  return Json::parse(R"({
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe",
    "hidden_size": 2048, "intermediate_size": 6144,
    "moe_intermediate_size": 768, "num_hidden_layers": 48,
    "num_attention_heads": 32, "num_key_value_heads": 4, "head_dim": 128,
    "num_experts": 128, "num_experts_per_tok": 8, "decoder_sparse_step": 1,
    "mlp_only_layers": [], "vocab_size": 151936,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16"})");
}

TargetLayout LayoutOf(const Json& config, const char* target) {
  return FindTarget(target).Describe(
      DescribeModel(config, ExpectedTensors(config), "model"));
}

std::vector<OutputFileLayout> Uniform(const TargetLayout& layout,
                                      const Scheme& scheme,
                                      uint64_t max_bytes = kMaxShardBytes) {
  return LayOutAffineFiles(
      layout, std::vector<Scheme>(layout.units.size(), scheme), max_bytes);
}

uint64_t TensorBytes(const std::vector<OutputFileLayout>& files) {
  uint64_t bytes = 0;
  for (const OutputFileLayout& file : files) {
    for (const StoredTensor& tensor : file.tensors) bytes += tensor.bytes;
  }
  return bytes;
}

// The published sizes of Qwen3-8B.
TEST(AffineFilesTest, GiveQwen3At16BitsItsKnownSize) {
  const auto files = Uniform(LayoutOf(Qwen8(), "mlx"), kFloat16Scheme);
  EXPECT_EQ(TensorBytes(files), 2u * 8190735360u);
}
TEST(AffineFilesTest, GiveQwen3At4BitsGroup128ItsKnownSize) {
  const auto files = Uniform(LayoutOf(Qwen8(), "mlx"), Affine(4, 128));
  EXPECT_NEAR(static_cast<double>(TensorBytes(files)) / kGiB, 4.05291, 5e-6);
}
TEST(AffineFilesTest, GiveQwen3At4BitsGroup64ItsKnownSize) {
  const auto files = Uniform(LayoutOf(Qwen8(), "mlx"), Affine(4, 64));
  EXPECT_NEAR(static_cast<double>(TensorBytes(files)) / kGiB, 4.29128, 5e-6);
}

TEST(AffineFilesTest, AreValidSafetensorsFilesOfThatLength) {
  const auto files = Uniform(LayoutOf(Qwen8(), "mlx"), Affine(4, 64));
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].name, "model.safetensors");
  const SafetensorsHeader header = ParseSafetensorsHeader(
      files[0].prefix.substr(8), files[0].file_bytes, "model.safetensors");
  EXPECT_EQ(header.entries.size(), files[0].tensors.size());
  EXPECT_THAT(
      header.metadata,
      ElementsAre(std::pair<const std::string, std::string>("format", "mlx")));
}

TEST(AffineFilesTest, KeepShardsUnderFiveGibibytes) {
  const auto files = Uniform(LayoutOf(Qwen8(), "mlx"), kFloat16Scheme);
  ASSERT_EQ(files.size(), 4u);
  EXPECT_EQ(files[0].name, "model-00001-of-00004.safetensors");
  EXPECT_EQ(files[3].name, "model-00004-of-00004.safetensors");
  for (const OutputFileLayout& file : files) {
    EXPECT_LE(file.file_bytes, uint64_t{5} << 30);
  }
}

TEST(AffineFilesTest, GiveATensorLargerThanAShardOneOfItsOwn) {
  const TargetLayout layout = LayoutOf(Qwen8(), "mlx");
  const auto files = Uniform(layout, kFloat16Scheme, uint64_t{1} << 30);
  for (const OutputFileLayout& file : files) {
    if (file.file_bytes > uint64_t{1} << 30) {
      EXPECT_EQ(file.tensors.size(), 1u);
    }
  }
  EXPECT_EQ(TensorBytes(files), 2u * 8190735360u);
}

TEST(AffineFilesTest, FollowTheOrderOfTheInput) {
  Json config = Qwen8();
  config["num_hidden_layers"] = 1u;
  const auto files = Uniform(LayoutOf(config, "mlx"), kFloat16Scheme);
  ASSERT_EQ(files.size(), 1u);
  std::vector<std::string> expected, found;
  for (const TensorInfo& tensor : ExpectedTensors(config)) {
    expected.push_back(tensor.name);
  }
  for (const StoredTensor& tensor : files[0].tensors) {
    found.push_back(tensor.name);
  }
  EXPECT_EQ(found, expected);
}

TEST(AffineFilesTest, KeepEveryExpertApartOnNative) {
  const TargetLayout layout = LayoutOf(Qwen30(), "native");
  // 48 x (4 attention, 1 router, 3 x 128 experts), embedding and head.
  EXPECT_EQ(layout.units.size(), 48u * (4 + 1 + 3 * 128) + 2);
  EXPECT_TRUE(layout.dropped.empty());
}

TEST(AffineFilesTest, StackExpertsOnMlx) {
  const TargetLayout layout = LayoutOf(Qwen30(), "mlx");
  EXPECT_EQ(layout.units.size(), 48u * (4 + 1 + 3) + 2);
}

TEST(AffineFilesTest, HaveTheBytesThatAreCountedWithoutLayingThemOut) {
  Json config = Qwen30();
  config["num_hidden_layers"] = 2u;
  for (const char* target : {"mlx", "native"}) {
    const TargetLayout layout = LayoutOf(config, target);
    std::vector<Scheme> schemes;
    for (size_t u = 0; u < layout.units.size(); ++u) {
      const auto& legal = layout.units[u].legal;
      schemes.push_back(legal[u * 7 % legal.size()]);
    }
    for (uint64_t shard_bytes : {uint64_t{5} << 30, uint64_t{100} << 20,
                                 uint64_t{3} << 20, uint64_t{1} << 10}) {
      EXPECT_EQ(AffineFileBytes(layout, schemes, shard_bytes),
                TotalFileBytes(LayOutAffineFiles(layout, schemes, shard_bytes)))
          << target << " " << shard_bytes;
    }
  }
}

TEST(AffineFilesTest, LayOutEighteenThousandTensorsQuickly) {
  const TargetLayout layout = LayoutOf(Qwen30(), "native");
  const auto start = std::chrono::steady_clock::now();
  const auto files = Uniform(layout, Affine(4, 64));
  const std::chrono::duration<double> took =
      std::chrono::steady_clock::now() - start;
  RecordProperty("seconds", std::to_string(took.count()));
  EXPECT_GT(files.size(), 3u);
}

TEST(NativeTargetTest, WritesItsFormatIntoTheConfig) {
  Json config = Qwen8();
  config["num_hidden_layers"] = 1u;
  const Model model = DescribeModel(config, ExpectedTensors(config), "model");
  const Target& target = FindTarget("native");
  const TargetLayout layout = target.Describe(model);
  const Json written = Json::parse(target.ConfigText(
      model, layout, std::vector<Scheme>(layout.units.size(), Affine(4, 64))));
  EXPECT_EQ(written["quantization"], Json::parse(R"({
      "format": "ram-native", "group_size": 64, "bits": 4,
      "mode": "affine"})"));
}

TEST(NativeTargetTest, KeepsPredictionLayers) {
  const Json config = ReadJsonFile(
      RAM_SOURCE_DIR "/tests/data/mlx_names/glm4_moe_lite.json")["config"];
  const TargetLayout layout = LayoutOf(config, "native");
  EXPECT_TRUE(layout.dropped.empty());
  const bool found = std::any_of(
      layout.units.begin(), layout.units.end(),
      [](const Unit& unit) { return unit.name == "model.layers.2.eh_proj"; });
  EXPECT_TRUE(found);
}

}  // namespace
}  // namespace ram
