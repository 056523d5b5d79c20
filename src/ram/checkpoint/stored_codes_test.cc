#include "ram/checkpoint/stored_codes.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "ram/base/json.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/checkpoint/test_support.h"

namespace ram {
namespace {

// "a" [6, 64 columns of weights] at 4 bits, groups of 32.
std::vector<TensorInfo> OneAffineModule() {
  return {Tensor("a.weight", {6, 8}, DType::kU32), Tensor("a.scales", {6, 2}),
          Tensor("a.biases", {6, 2})};
}

constexpr const char* kFourBits =
    R"({"quantization": {"bits": 4, "group_size": 32}})";

Model DescribeUnder(const std::vector<TensorInfo>& tensors,
                    const std::string& config = kFourBits) {
  return DescribeModel(Config(config), tensors, "DIR");
}

std::string ErrorUnder(const std::vector<TensorInfo>& tensors,
                       const std::string& config = kFourBits) {
  return ErrorOf([&] { DescribeUnder(tensors, config); });
}

TEST(StoredCodesTest, GivesWeightsTheirLogicalShape) {
  const Model model = DescribeUnder(OneAffineModule());
  const TensorInfo& weight = model.tensors[0];
  EXPECT_EQ(weight.shape, (std::vector<uint64_t>{6, 64}));
  EXPECT_EQ(weight.dtype, DType::kBF16);
  EXPECT_EQ(weight.storage.kind, Storage::Kind::kAffine);
  EXPECT_EQ(weight.storage.scheme, Affine(4, 32));
  EXPECT_EQ(weight.storage.scales, 1);
  EXPECT_EQ(weight.storage.biases, 2);
  EXPECT_EQ(weight.bytes(), 6u * 32);
  EXPECT_EQ(StorageLabel(weight), "4-bit g32");
  EXPECT_EQ(Summary(model), "a.weight other [6, 64]\n");
}

TEST(StoredCodesTest, CountsWeightsAndNotTheirScales) {
  const Model model = DescribeUnder(OneAffineModule());
  EXPECT_EQ(model.weights(), 6u * 64);
  EXPECT_EQ(model.quantized_weights(), 6u * 64);
  EXPECT_EQ(UseOf(model, "a.scales"), TensorUse::kScale);
  EXPECT_EQ(UseOf(model, "a.biases"), TensorUse::kScale);
}

// 3 bits: 64 codes in 6 words. 6 bits: 64 codes in 12 words.
TEST(StoredCodesTest, FollowsTheEntryOfAModule) {
  std::vector<TensorInfo> tensors = OneAffineModule();
  tensors[0].shape = {6, 6};
  tensors.push_back(Tensor("b.weight", {6, 12}, DType::kU32));
  tensors.push_back(Tensor("b.scales", {6, 1}, DType::kF16));
  tensors.push_back(Tensor("b.biases", {6, 1}, DType::kF16));
  const Model model = DescribeUnder(tensors, R"({"quantization": {
      "bits": 3, "group_size": 32, "mode": "affine",
      "b": {"bits": 6, "group_size": 64, "mode": "affine"}}})");
  EXPECT_EQ(model.tensors[0].storage.scheme, Affine(3, 32));
  EXPECT_EQ(model.tensors[3].storage.scheme, Affine(6, 64));
  EXPECT_EQ(model.tensors[3].shape, (std::vector<uint64_t>{6, 64}));
  EXPECT_EQ(model.tensors[3].dtype, DType::kF16);
}

TEST(StoredCodesTest, LeavesFloatModulesAlone) {
  std::vector<TensorInfo> tensors = OneAffineModule();
  tensors.push_back(Tensor("b.weight", {6, 64}));
  tensors.push_back(Tensor("c.weight", {6, 64}));
  const Model model = DescribeUnder(
      tensors,
      R"({"quantization": {"bits": 4, "group_size": 32, "b": false}})");
  EXPECT_TRUE(model.tensors[3].storage.dense());
  EXPECT_TRUE(model.tensors[4].storage.dense());
  EXPECT_EQ(model.quantized_weights(), 6u * 64);
}

TEST(StoredCodesTest, AcceptsTheCopyThatMlxWrites) {
  EXPECT_EQ(ErrorUnder(OneAffineModule(), R"({
      "quantization": {"bits": 4, "group_size": 32},
      "quantization_config": {"bits": 4, "group_size": 32}})"),
            "no error");
}

TEST(StoredCodesTest, AcceptsNativeWithoutCodes) {
  EXPECT_EQ(ErrorUnder({Tensor("a.weight", {6, 64})},
                       R"({"quantization": {"format": "ram-native"}})"),
            "no error");
}

TEST(StoredCodesTest, CutsStacksOfExperts) {
  const Model model = DescribeUnder(
      {Tensor("m.switch_mlp.up_proj.weight", {2, 6, 8}, DType::kU32),
       Tensor("m.switch_mlp.up_proj.scales", {2, 6, 2}),
       Tensor("m.switch_mlp.up_proj.biases", {2, 6, 2})});
  EXPECT_EQ(Summary(model),
            "m.experts.0.up_proj.weight up_proj expert=0 [6, 64]\n"
            "m.experts.1.up_proj.weight up_proj expert=1 [6, 64]\n");
}

TEST(StoredCodesTest, RefusesMissingScales) {
  std::vector<TensorInfo> tensors = OneAffineModule();
  tensors.erase(tensors.begin() + 1);
  EXPECT_EQ(ErrorUnder(tensors),
            "3 DIR/config.json: quantization.a: found no scheme for it, but "
            "a.weight is U32 [6, 8] (expected its bits and group size, or "
            "float weights)");
  EXPECT_EQ(ErrorUnder(tensors, R"({"quantization": {
      "a": {"bits": 4, "group_size": 32}}})"),
            "3 DIR: a.scales: found nothing, expected this tensor (a.weight "
            "holds 4-bit g32 codes)");
}

TEST(StoredCodesTest, RefusesMissingBiases) {
  std::vector<TensorInfo> tensors = OneAffineModule();
  tensors.pop_back();
  EXPECT_EQ(ErrorUnder(tensors),
            "3 DIR: a.biases: found nothing, expected this tensor (a.weight "
            "holds 4-bit g32 codes)");
}

TEST(StoredCodesTest, RefusesASchemeThatContradictsTheShapes) {
  EXPECT_EQ(ErrorUnder(OneAffineModule(),
                       R"({"quantization": {"bits": 4, "group_size": 64}})"),
            "3 DIR/config.json: quantization.a: found 4-bit g64, but a.weight "
            "is U32 [6, 8] (expected a scheme with bits x group size = 32 x "
            "columns of codes / columns of a.scales [6, 2])");
}

TEST(StoredCodesTest, RefusesCodesThatAreNoWholeRow) {
  std::vector<TensorInfo> tensors = OneAffineModule();
  tensors[0].shape = {6, 7};
  EXPECT_EQ(
      ErrorUnder(tensors, R"({"quantization": {"bits": 3, "group_size": 32}})"),
      "3 DIR/config.json: quantization.a: found 3-bit g32, but a.weight "
      "is U32 [6, 7] (expected a scheme with bits x group size = 32 x "
      "columns of codes / columns of a.scales [6, 2])");
}

TEST(StoredCodesTest, RefusesShapesThatOverflow) {
  const uint64_t many = uint64_t{1} << 60;
  EXPECT_EQ(ErrorUnder({Tensor("a.weight", {1, many}, DType::kU32),
                        Tensor("a.scales", {1, many / 4}),
                        Tensor("a.biases", {1, many / 4})})
                .substr(0, 45),
            "3 DIR/config.json: quantization.a: found 4-bi");
}

TEST(StoredCodesTest, RefusesFloatsWhereCodesAreListed) {
  EXPECT_EQ(ErrorUnder({Tensor("a.weight", {6, 64})}, R"({"quantization": {
      "a": {"bits": 4, "group_size": 32}}})"),
            "3 DIR/config.json: quantization.a: found 4-bit g32, but a.weight "
            "is BF16 [6, 64] (expected codes of type U32)");
}

TEST(StoredCodesTest, RefusesCodesWhereFloatsAreListed) {
  EXPECT_EQ(ErrorUnder(OneAffineModule(), R"({"quantization": {
      "bits": 4, "group_size": 32, "a": false}})"),
            "3 DIR/config.json: quantization.a: found no scheme for it, but "
            "a.weight is U32 [6, 8] (expected its bits and group size, or "
            "float weights)");
}

TEST(StoredCodesTest, RefusesBiasesThatDifferFromScales) {
  std::vector<TensorInfo> tensors = OneAffineModule();
  tensors[2].dtype = DType::kF16;
  EXPECT_EQ(ErrorUnder(tensors),
            "3 DIR: a.biases: found F16 [6, 2], expected BF16 [6, 2] as "
            "a.scales");
}

TEST(StoredCodesTest, RefusesWideScales) {
  std::vector<TensorInfo> tensors = OneAffineModule();
  tensors[1].dtype = tensors[2].dtype = DType::kF32;
  EXPECT_EQ(ErrorUnder(tensors),
            "4 DIR: a.scales: found F32, expected BF16 or F16");
}

TEST(StoredCodesTest, RefusesUnknownWidths) {
  for (const char* scheme :
       {R"("bits": 7, "group_size": 32)", R"("bits": 4, "group_size": 16)",
        R"("bits": -4, "group_size": 32)", R"("bits": 4)"}) {
    EXPECT_EQ(ErrorUnder(OneAffineModule(),
                         fmt::format(R"({{"quantization": {{{}}}}})", scheme))
                  .substr(0, 38),
              "4 DIR/config.json: quantization: found");
  }
}

TEST(StoredCodesTest, RefusesModesOtherThanAffine) {
  EXPECT_EQ(
      ErrorUnder(OneAffineModule(), R"({"quantization": {
          "bits": 4, "group_size": 32, "mode": "mxfp4"}})"),
      "4 DIR/config.json: quantization: found mode 'mxfp4', expected float "
      "weights, FP8 with block scales, or affine codes that config.json "
      "describes (start from the checkpoint this one was made from)");
}

TEST(StoredCodesTest, RefusesCodesThatAreNoMatrix) {
  EXPECT_EQ(ErrorUnder({Tensor("a.weight", {2, 6, 8}, DType::kU32),
                        Tensor("a.scales", {2, 6, 2}),
                        Tensor("a.biases", {2, 6, 2})}),
            "4 DIR: a.weight: found [2, 6, 64] in codes of 4-bit g32, expected "
            "a matrix or a stack of experts");
}

TEST(StoredCodesTest, RefusesAQuantizationThatIsNoObject) {
  EXPECT_EQ(ErrorUnder(OneAffineModule(), R"({"quantization": 4})"),
            "3 DIR/config.json: quantization: found number, expected an "
            "object");
}

// The names of a published conversion, 40 layers of 4-bit codes.
TEST(StoredCodesTest, FindsEveryMatrixOfAPublishedConversion) {
  const std::string folder =
      RAM_SOURCE_DIR "/../shared/configs/qwen3-14b-mlx-4bit/";
  if (!std::filesystem::exists(folder))
    GTEST_SKIP() << folder << " is not there";
  const Json config = ReadJsonFile(folder + "config.json");
  Json original = config;
  original.erase("quantization");
  original.erase("quantization_config");
  const auto source = ExpectedTensors(original);
  std::map<std::string, std::vector<uint64_t>> shapes;
  for (const TensorInfo& tensor : source) shapes[tensor.name] = tensor.shape;

  const Json index = ReadJsonFile(folder + "model.safetensors.index.json");
  const Json& names = index["weight_map"];
  std::vector<TensorInfo> tensors;
  for (const auto& [name, file] : names.items()) {
    const std::string module = name.substr(0, name.rfind('.'));
    const bool codes = names.contains(module + ".scales");
    std::vector<uint64_t> shape = shapes.at(codes ? module + ".weight" : name);
    if (codes) shape.back() /= name.ends_with(".weight") ? 8 : 64;
    tensors.push_back(Tensor(
        name, shape,
        codes && name.ends_with(".weight") ? DType::kU32 : DType::kBF16));
  }
  const Model found = DescribeModel(config, tensors, "DIR");
  const Model expected = DescribeModel(original, source, "DIR");
  EXPECT_EQ(found.weights(), expected.weights());
  ASSERT_EQ(found.matrices.size(), expected.matrices.size());
  for (const Matrix& matrix : expected.matrices) {
    const Matrix& same = MatrixNamed(found, matrix.name);
    EXPECT_EQ(same.role, matrix.role);
    EXPECT_EQ(same.cols, matrix.cols);
    EXPECT_EQ(same.norm, matrix.norm);
  }
}

}  // namespace
}  // namespace ram
