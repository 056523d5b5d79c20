#include "ram/checkpoint/packed_ints.h"

#include <gtest/gtest.h>

#include "ram/checkpoint/test_support.h"

namespace ram {
namespace {

// "a" [6, 64] at 4 bits in groups of 32.
std::vector<TensorInfo> OneModule() {
  return {Tensor("a.weight_packed", {6, 8}, DType::kI32),
          Tensor("a.weight_scale", {6, 2}),
          Tensor("a.weight_shape", {2}, DType::kI64)};
}

Json WeightsEntry(int bits, int group) {
  return {{"num_bits", bits},    {"type", "int"},       {"symmetric", true},
          {"strategy", "group"}, {"group_size", group}, {"dynamic", false}};
}

Json Quantization(std::vector<Json> groups) {
  Json config = {{"quantization_config",
                  {{"quant_method", "compressed-tensors"},
                   {"format", "pack-quantized"},
                   {"ignore", {"lm_head"}}}}};
  Json& named = config["quantization_config"]["config_groups"] = Json::object();
  for (Json& group : groups) {
    named[fmt::format("group_{}", named.size())] = std::move(group);
  }
  return config;
}

Json Group(int bits, int group, std::vector<std::string> targets = {"Linear"}) {
  return {{"targets", targets}, {"weights", WeightsEntry(bits, group)}};
}

Model Describe(const std::vector<TensorInfo>& tensors, const Json& config) {
  return DescribeModel(Config(config.dump()), tensors, "DIR");
}

std::string ErrorWith(const std::vector<TensorInfo>& tensors,
                      const Json& config) {
  return ErrorOf([&] { Describe(tensors, config); });
}

// Of a config whose one group is changed.
std::string ErrorOfGroup(const std::function<void(Json&)>& change) {
  Json config = Quantization({Group(4, 32)});
  change(config["quantization_config"]["config_groups"]["group_0"]);
  return ErrorWith(OneModule(), config);
}

TEST(PackedIntsTest, GivesWeightsTheirLogicalShapeAndName) {
  const Model model = Describe(OneModule(), Quantization({Group(4, 32)}));
  const TensorInfo& weight = model.tensors[0];
  EXPECT_EQ(weight.name, "a.weight");
  EXPECT_EQ(weight.name_in_file(), "a.weight_packed");
  EXPECT_EQ(weight.shape, (std::vector<uint64_t>{6, 64}));
  EXPECT_EQ(weight.dtype, DType::kBF16);
  EXPECT_EQ(weight.storage.scheme, SignedInt(4, 32));
  EXPECT_EQ(weight.storage.scales, 1);
  EXPECT_EQ(weight.bytes(), 6u * 32);
  EXPECT_EQ(StorageLabel(weight), "int4 g32");
  EXPECT_EQ(Summary(model), "a.weight other [6, 64]\n");
  EXPECT_EQ(UseOf(model, "a.weight_scale"), TensorUse::kScale);
  EXPECT_EQ(UseOf(model, "a.weight_shape"), TensorUse::kScale);
  EXPECT_EQ(model.weights(), 6u * 64);
}

// 3 bits: 128 codes in 12 words.
TEST(PackedIntsTest, TakesTheGroupThatFitsTheShapes) {
  std::vector<TensorInfo> tensors = OneModule();
  tensors.push_back(Tensor("b.weight_packed", {6, 12}, DType::kI32));
  tensors.push_back(Tensor("b.weight_scale", {6, 1}, DType::kF16));
  const Model model = Describe(
      tensors, Quantization({Group(4, 32, {"re:.*a"}), Group(3, 128)}));
  EXPECT_EQ(model.tensors[0].storage.scheme, SignedInt(4, 32));
  EXPECT_EQ(model.tensors[3].storage.scheme, SignedInt(3, 128));
  EXPECT_EQ(model.tensors[3].dtype, DType::kF16);
}

// 2 bits in groups of 128 and 8 in groups of 32 both give one word of codes
// for an eighth of a scale.
TEST(PackedIntsTest, TakesTheGroupThatNamesTheModule) {
  const std::vector<TensorInfo> tensors = {
      Tensor("a.weight_packed", {6, 32}, DType::kI32),
      Tensor("a.weight_scale", {6, 4})};
  const Model model = Describe(
      tensors, Quantization({Group(2, 128, {"b"}), Group(8, 32, {"a"})}));
  EXPECT_EQ(model.tensors[0].storage.scheme, SignedInt(8, 32));
  EXPECT_EQ(ErrorWith(tensors, Quantization({Group(2, 128), Group(8, 32)})),
            "4 DIR/config.json: quantization_config: a could be int2 g128 or "
            "int8 g32, expected a target that names it");
}

TEST(PackedIntsTest, LeavesFloatModulesAlone) {
  std::vector<TensorInfo> tensors = OneModule();
  tensors.push_back(Tensor("lm_head.weight", {6, 64}));
  const Model model = Describe(tensors, Quantization({Group(4, 32)}));
  EXPECT_TRUE(model.tensors[3].storage.dense());
  EXPECT_EQ(model.quantized_weights(), 6u * 64);
}

TEST(PackedIntsTest, RefusesShapesThatNoGroupGives) {
  EXPECT_EQ(ErrorWith(OneModule(), Quantization({Group(8, 32)})),
            "3 DIR: found a.weight_packed [6, 8] beside a.weight_scale [6, 2], "
            "expected what a group of DIR/config.json: quantization_config "
            "gives");
  EXPECT_EQ(
      ErrorWith(OneModule(), Quantization({Group(4, 32), Group(8, 32, {"a"})})),
      "3 DIR: found a.weight_packed [6, 8] beside a.weight_scale [6, 2], "
      "expected what int8 g32 gives");
}

TEST(PackedIntsTest, RefusesMissingScales) {
  std::vector<TensorInfo> tensors = OneModule();
  tensors.erase(tensors.begin() + 1);
  EXPECT_EQ(ErrorWith(tensors, Quantization({Group(4, 32)})),
            "3 DIR: a.weight_scale: found nothing, expected this tensor "
            "(a.weight_packed holds codes)");
}

TEST(PackedIntsTest, RefusesZeroPointsAndActivationOrder) {
  for (const char* name : {"a.weight_zero_point", "a.weight_g_idx"}) {
    std::vector<TensorInfo> tensors = OneModule();
    tensors.push_back(Tensor(name, {1, 2}, DType::kI32));
    EXPECT_EQ(ErrorWith(tensors, Quantization({Group(4, 32)})),
              fmt::format("4 DIR: {}: found this tensor, expected symmetric "
                          "weights in groups of their columns' order",
                          name));
  }
}

TEST(PackedIntsTest, NamesWhatItCannotRead) {
  const std::string where =
      "4 DIR/config.json: quantization_config.config_groups.group_0";
  const std::string advice =
      " (start from the checkpoint this one was made from)";
  EXPECT_EQ(ErrorOfGroup([](Json& g) { g["weights"]["symmetric"] = false; }),
            where +
                ".weights: found symmetric false, expected symmetric "
                "integers" +
                advice);
  EXPECT_EQ(ErrorOfGroup([](Json& g) { g["weights"]["type"] = "float"; }),
            where + ".weights: found type 'float', expected 'int'" + advice);
  EXPECT_EQ(
      ErrorOfGroup([](Json& g) { g["weights"]["strategy"] = "channel"; }),
      where + ".weights: found strategy 'channel', expected 'group'" + advice);
  EXPECT_EQ(ErrorOfGroup([](Json& g) { g["weights"]["group_size"] = -1; }),
            where +
                ".weights: found num_bits 4 and group_size -1, expected 2, "
                "3, 4, 5, 6 or 8 bits in groups of 32 or 128" +
                advice);
  EXPECT_EQ(ErrorOfGroup([](Json& g) { g["format"] = "float-quantized"; }),
            where +
                ": found format 'float-quantized', expected "
                "'pack-quantized'" +
                advice);
  EXPECT_EQ(ErrorOfGroup([](Json& g) {
              g["input_activations"] = {{"num_bits", 8}};
            }),
            where +
                ": found quantized input_activations, expected weights "
                "alone" +
                advice);
  EXPECT_EQ(
      ErrorOfGroup([](Json& g) { g = Json::array({"Linear"}); }),
      where + ": found a named preset, expected targets and weights" + advice);
  Json config = Quantization({Group(4, 32)});
  config["quantization_config"]["kv_cache_scheme"] = {{"num_bits", 8}};
  EXPECT_EQ(ErrorWith(OneModule(), config),
            "4 DIR/config.json: quantization_config: found a kv_cache_scheme, "
            "expected none" +
                advice);
}

TEST(PackedIntsTest, RefusesGroupsOfAnotherType) {
  Json config = Quantization({});
  config["quantization_config"]["config_groups"] = 3;
  EXPECT_EQ(ErrorWith(OneModule(), config),
            "3 DIR/config.json: quantization_config: config_groups: found "
            "number, expected groups");
  EXPECT_EQ(ErrorOfGroup([](Json& g) { g["targets"] = "Linear"; }),
            "3 DIR/config.json: quantization_config.config_groups.group_0: "
            "targets: found string, expected a list");
  EXPECT_EQ(
      ErrorOfGroup([](Json& g) { g["weights"]["num_bits"] = -4; }).substr(0, 2),
      "3 ");
}

TEST(PackedIntsTest, RefusesCodesOfAnotherType) {
  std::vector<TensorInfo> tensors = OneModule();
  tensors[0].dtype = DType::kU8;
  EXPECT_EQ(ErrorWith(tensors, Quantization({Group(4, 32)})),
            "3 DIR: a.weight_packed: found U8 [6, 8], expected I32 [out, "
            "words]");
}

TEST(PackedIntsTest, RefusesAWeightBesideItsCodes) {
  std::vector<TensorInfo> tensors = OneModule();
  tensors.push_back(Tensor("a.weight", {6, 64}));
  EXPECT_EQ(ErrorWith(tensors, Quantization({Group(4, 32)})),
            "3 DIR: a.weight: found this tensor twice, expected once");
}

}  // namespace
}  // namespace ram
