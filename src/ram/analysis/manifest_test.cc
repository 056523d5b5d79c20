#include "ram/analysis/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ram/base/error.h"
#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

Manifest Read(std::string_view text) { return ManifestFromJson(text, "m"); }

// What another tool might write: shapes and metrics, nothing else.
constexpr char kForeign[] = R"({"version": 1, "tensors": [
  {"name": "model.layers.0.mlp.down_proj.weight", "shape": [64, 128],
   "metrics": {"excess_kurtosis": 1.5, "output_noise": 2}},
  {"name": "model.layers.0.input_layernorm.weight", "shape": [64],
   "metrics": {}}]})";

// A model with every kind of entry: whole, cut from a stack, plain, FP8 scale.
Manifest Sample() {
  Manifest manifest;
  manifest.tool = "ram 0.1.0";
  manifest.seed = 7;
  manifest.config_sha256 = "abc";
  manifest.files = {{"a.safetensors", 1234, "00ff"}, {"b.safetensors", 5, ""}};
  manifest.schemes = {{Affine(4, 64), Encoder::kMinMax},
                      {Affine(4, 64), Encoder::kSearch}};
  manifest.model = DescribeModel(
      nullptr,
      {{"model.embed_tokens.weight",
        "a.safetensors",
        DType::kBF16,
        {32, 64},
        8},
       {"model.layers.0.mlp.experts.down_proj",
        "a.safetensors",
        DType::kBF16,
        {2, 64, 32},
        4104},
       {"model.norm.weight", "b.safetensors", DType::kF32, {64}, 8}},
      "sample");
  double value = 0.1;
  for (const Matrix& matrix : manifest.model.matrices) {
    MatrixRecord record;
    record.name = matrix.name;
    record.metrics.excess_kurtosis = value / 3;
    record.metrics.spectral_concentration = 1e-17;
    record.mean = -value;
    record.squared_norm = 1e300;
    record.worst_group_row = 3;
    record.outliers = 4;
    record.stable_rank = 5.5;
    record.nmse = {value / 7, std::nan("")};
    manifest.matrices.push_back(record);
    value *= 2;
  }
  return manifest;
}

TEST(ManifestTest, ReadsBackAsTheSameBytes) {
  const std::string text = ManifestToJson(Sample());
  EXPECT_EQ(ManifestToJson(Read(text)), text);
}

TEST(ManifestTest, KeepsTypesOfBlocks) {
  TensorInfo tensor{"model.layers.0.mlp.up_proj.weight",
                    "m.gguf",
                    DType::kBF16,
                    {4, 512},
                    96};
  tensor.storage.kind = Storage::Kind::kBlocks;
  tensor.storage.block_type = GgmlType::kQ4_K;
  Manifest manifest;
  manifest.model = DescribeModel(nullptr, {tensor}, "sample");
  manifest.matrices.emplace_back().name = tensor.name;
  const std::string text = ManifestToJson(manifest);
  EXPECT_THAT(text, HasSubstr("\"blocks\": \"Q4_K\""));
  const Manifest again = Read(text);
  ASSERT_EQ(again.model.tensors.size(), 1u);
  EXPECT_EQ(StorageLabel(again.model.tensors[0]), "Q4_K");
  EXPECT_EQ(again.model.tensors[0].bytes(), 4u * 2 * 144);
}

TEST(ManifestTest, RefusesUnknownBlocks) {
  EXPECT_THROW(Read(R"({"version": 1, "tensors": [{"name": "a.weight",
      "shape": [4, 512], "blocks": "F32", "metrics": {}}]})"),
               Error);
}

TEST(ManifestTest, IsStrictJson) {
  const Json json = ParseJson(ManifestToJson(Sample()), "manifest");
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["schemes"][1]["encoder"], "search");
  EXPECT_EQ(json["tensors"].size(), Sample().matrices.size() + 1);
  EXPECT_TRUE(json["tensors"][0]["nmse"][1].is_null());
}

TEST(ManifestTest, RebuildsTheModel) {
  const Manifest sample = Sample();
  const Model model = Read(ManifestToJson(sample)).model;
  ASSERT_EQ(model.matrices.size(), sample.model.matrices.size());
  for (size_t i = 0; i < model.matrices.size(); ++i) {
    EXPECT_EQ(model.matrices[i].name, sample.model.matrices[i].name);
    EXPECT_EQ(model.matrices[i].role, sample.model.matrices[i].role);
    EXPECT_EQ(model.matrices[i].first_row, sample.model.matrices[i].first_row);
  }
  ASSERT_EQ(model.tensors.size(), 3u);
  EXPECT_EQ(model.tensors[1].name, "model.layers.0.mlp.experts.down_proj");
  EXPECT_THAT(model.tensors[1].shape, ElementsAre(2, 64, 32));
  EXPECT_EQ(model.tensors[2].file, "b.safetensors");
  EXPECT_EQ(model.tensors[2].dtype, DType::kF32);
}

TEST(ManifestTest, KeepsEveryBitOfANumber) {
  Manifest manifest = Sample();
  manifest.matrices[0].nmse[0] = 0.1 + 0.2;
  const Manifest read = Read(ManifestToJson(manifest));
  EXPECT_EQ(read.matrices[0].nmse[0], 0.30000000000000004);
  EXPECT_TRUE(std::isnan(read.matrices[0].nmse[1]));
}

TEST(ManifestTest, NeedsOnlyShapesAndMetrics) {
  const Manifest manifest = Read(kForeign);
  ASSERT_EQ(manifest.matrices.size(), 1u);
  EXPECT_EQ(manifest.model.matrices[0].role, "down_proj");
  EXPECT_EQ(manifest.model.matrices[0].layer, 0);
  EXPECT_EQ(manifest.matrices[0].metrics.excess_kurtosis, 1.5);
  EXPECT_EQ(manifest.matrices[0].metrics.output_noise, 2.0);
  EXPECT_FALSE(manifest.matrices[0].metrics.rounding_error.has_value());
}

TEST(ManifestTest, BelievesTheRolesItIsTold) {
  const Manifest manifest = Read(
      R"({"version": 1, "tensors": [{"name": "block.x.weight",
          "shape": [4, 8], "role": "up_proj", "layer": 9, "expert": null}]})");
  EXPECT_EQ(manifest.model.matrices[0].role, "up_proj");
  EXPECT_EQ(manifest.model.matrices[0].layer, 9);
  EXPECT_EQ(manifest.model.matrices[0].expert, -1);
}

TEST(ManifestTest, IgnoresUnknownFields) {
  const Manifest manifest = Read(
      R"({"version": 1, "later": {"a": [1, {"b": null}]}, "tensors": [
          {"name": "a.weight", "colour": [[]], "shape": [4, 8],
           "metrics": {"charm": 3}}]})");
  EXPECT_EQ(manifest.matrices.size(), 1u);
}

TEST(ManifestTest, NamesAMissingField) {
  EXPECT_EQ(ErrorMessage([] {
              Read(R"({"version": 1, "tensors": [{"name": "a", "shape": [2]},
                                                 {"name": "b"}]})");
            }),
            "m: tensors[1].shape: found nothing, expected an array of "
            "dimensions");
  EXPECT_EQ(ErrorMessage([] { Read(R"({"version": 1})"); }),
            "m: tensors: found nothing, expected an array of tensors");
  EXPECT_EQ(ErrorMessage([] { Read(R"({"tensors": []})"); }),
            "m: version: found nothing, expected 1");
  EXPECT_EQ(ErrorMessage([] {
              Read(R"({"version": 1, "tensors": [{"name": "a", "shape": [2, 2],
                       "source": {"shape": [4, 2]}}]})");
            }),
            "m: tensors[0].source.tensor: found nothing, expected a string");
}

TEST(ManifestTest, NamesAFieldOfTheWrongType) {
  const auto tensor = [](std::string_view field) {
    return ErrorMessage([&] {
      Read(fmt::format(R"({{"version": 1, "tensors": [{{"name": "a",
                           "shape": [2, 2], {}}}]}})",
                       field));
    });
  };
  EXPECT_EQ(tensor(R"("layer": -1)"),
            "m: tensors[0].layer: found -1, expected a whole number, zero or "
            "more");
  EXPECT_EQ(tensor(R"("role": 5)"),
            "m: tensors[0].role: found 5, expected a string");
  EXPECT_EQ(tensor(R"("dtype": "INT7")"),
            "m: tensors[0].dtype: found \"INT7\", expected a safetensors type "
            "like BF16");
  EXPECT_EQ(tensor(R"("metrics": [])"),
            "m: tensors[0].metrics: found an array, expected an object");
  EXPECT_EQ(tensor(R"("metrics": {"excess_kurtosis": "high"})"),
            "m: tensors[0].metrics.excess_kurtosis: found \"high\", expected a "
            "number or null");
}

TEST(ManifestTest, RefusesOtherVersions) {
  EXPECT_EQ(ErrorMessage([] { Read(R"({"version": 2, "tensors": []})"); }),
            "m: version: found 2, expected 1");
}

TEST(ManifestTest, RefusesRepeatedFields) {
  EXPECT_EQ(ErrorMessage([] {
              Read(R"({"version": 1, "tensors": [], "tensors": []})");
            }),
            "m: tensors: found it twice, expected it once");
  EXPECT_EQ(
      ErrorMessage([] {
        Read(R"({"version": 1, "model": {"config": {"a": 1, "a": 2}}})");
      }),
      "m: model.config: found key 'a' twice in one object, expected it once");
}

TEST(ManifestTest, RefusesRepeatedTensors) {
  EXPECT_EQ(ErrorMessage([] {
              Read(R"({"version": 1, "tensors": [
                  {"name": "a", "shape": [2, 2]},
                  {"name": "a", "shape": [2, 2]}]})");
            }),
            "m: a: found two entries, expected one");
}

TEST(ManifestTest, RefusesShapesThatOverflow) {
  EXPECT_EQ(ErrorMessage([] {
              Read(R"({"version": 1, "tensors": [
                  {"name": "a", "shape": [4294967296, 4294967296]}]})");
            }),
            "m: a: shape: found [4294967296, 4294967296], expected at most "
            "2^48 weights");
}

TEST(ManifestTest, RefusesErrorsThatMatchNoScheme) {
  EXPECT_EQ(ErrorMessage([] {
              Read(R"({"version": 1, "tensors": [
                  {"name": "a", "shape": [2, 2], "nmse": [0.1]}]})");
            }),
            "m: a: nmse: found 1 errors, expected one for each of 0 schemes");
}

TEST(ManifestTest, RefusesDeepNesting) {
  EXPECT_THAT(
      ErrorMessage([] { Read("{\"x\": " + std::string(100'000, '[')); }),
      HasSubstr("found nesting deeper than 64 levels"));
  EXPECT_THAT(
      ErrorMessage([] {
        Read("{\"model\": {\"config\": {\"x\": " + std::string(100'000, '['));
      }),
      HasSubstr("found nesting deeper than 64 levels"));
}

TEST(ManifestTest, RefusesWhatIsNoManifest) {
  EXPECT_EQ(ErrorMessage([] { Read("[]"); }),
            "m: JSON: found an array, expected an object");
  EXPECT_EQ(ErrorMessage([] { Read("3"); }),
            "m: JSON: found 3, expected an object");
  EXPECT_EQ(ErrorMessage([] { Read("{\"version\": 1"); }),
            "m: JSON: found an error at byte 14, expected well-formed JSON");
}

TEST(ManifestTest, HasMinMaxBeforeSearch) {
  const auto schemes = AffineMeasuredSchemes();
  ASSERT_EQ(schemes.size(), 36u);
  EXPECT_EQ(schemes[0], (MeasuredScheme{Affine(2, 32), Encoder::kMinMax}));
  EXPECT_EQ(schemes[7], (MeasuredScheme{Affine(4, 64), Encoder::kMinMax}));
  EXPECT_EQ(schemes[25], (MeasuredScheme{Affine(4, 64), Encoder::kSearch}));
}

}  // namespace
}  // namespace ram
