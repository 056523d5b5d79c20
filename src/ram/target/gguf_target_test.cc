#include "ram/target/gguf_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/temporary_directory.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/target/test_layout.h"

namespace ram {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Pair;
using testing::UnorderedElementsAre;
using Shape = std::vector<uint64_t>;

Model Tiny(const std::string& name) {
  return Checkpoint::Open(RAM_SOURCE_DIR "/tests/data/forward/" + name).model();
}

const PlainTensor& PlainNamed(const TargetLayout& layout,
                              std::string_view name) {
  for (const PlainTensor& plain : layout.plain) {
    if (plain.name == name) return plain;
  }
  throw std::out_of_range(std::string(name));
}

std::map<std::string, Shape> Shapes(const TargetLayout& layout) {
  std::map<std::string, Shape> shapes;
  for (const Unit& unit : layout.units) shapes[unit.name] = unit.shape;
  return shapes;
}

// As llama.cpp's src/models/qwen3moe.cpp creates them, dimensions reversed.
TEST(GgufTargetTest, UnitsOfAMixtureAreStacks) {
  Json config = Tiny("qwen3-moe").config;
  config["mlp_only_layers"] = Json::array();
  config["num_hidden_layers"] = 1u;
  const TargetLayout layout = GgufTarget().Describe(ModelOf(config));
  EXPECT_THAT(
      Shapes(layout),
      UnorderedElementsAre(Pair("token_embd", Shape{96, 48}),
                           Pair("output", Shape{96, 48}),
                           Pair("blk.0.attn_q", Shape{64, 48}),
                           Pair("blk.0.attn_k", Shape{32, 48}),
                           Pair("blk.0.attn_v", Shape{32, 48}),
                           Pair("blk.0.attn_output", Shape{48, 64}),
                           Pair("blk.0.ffn_gate_exps", Shape{8, 24, 48}),
                           Pair("blk.0.ffn_up_exps", Shape{8, 24, 48}),
                           Pair("blk.0.ffn_down_exps", Shape{8, 48, 24})));
  EXPECT_EQ(UnitNamed(layout, "blk.0.ffn_up_exps").members.size(), 8u);
  const PlainTensor& router = PlainNamed(layout, "blk.0.ffn_gate_inp.weight");
  EXPECT_EQ(router.dtype, DType::kF32);
  EXPECT_EQ(router.shape, (Shape{8, 48}));
  std::vector<std::string> plain;
  for (const PlainTensor& tensor : layout.plain) plain.push_back(tensor.name);
  EXPECT_THAT(plain,
              UnorderedElementsAre(
                  "output_norm.weight", "blk.0.attn_norm.weight",
                  "blk.0.ffn_norm.weight", "blk.0.attn_q_norm.weight",
                  "blk.0.attn_k_norm.weight", "blk.0.ffn_gate_inp.weight"));
}

// src/models/deepseek2.cpp: wk_b {nope, rank, heads}, wv_b {rank, value,
// heads}.
TEST(GgufTargetTest, LatentAttentionIsSplitPerHead) {
  const TargetLayout layout = GgufTarget().Describe(Tiny("glm4-moe-lite"));
  EXPECT_EQ(UnitNamed(layout, "blk.0.attn_k_b").shape, (Shape{4, 20, 12}));
  EXPECT_EQ(UnitNamed(layout, "blk.0.attn_v_b").shape, (Shape{4, 10, 20}));
  EXPECT_EQ(UnitNamed(layout, "blk.0.attn_kv_a_mqa").shape, (Shape{28, 48}));
  EXPECT_EQ(UnitNamed(layout, "blk.1.ffn_up_shexp").shape, (Shape{24, 48}));
  EXPECT_EQ(PlainNamed(layout, "blk.1.exp_probs_b.bias").shape, (Shape{8}));
}

TEST(GgufTargetTest, RowsOfLlamasHeadsLieInPairs) {
  const TargetLayout layout = GgufTarget().Describe(Tiny("llama-tied-biased"));
  EXPECT_EQ(UnitNamed(layout, "blk.0.attn_q").head_rows, 16u);
  EXPECT_EQ(UnitNamed(layout, "blk.0.attn_k").head_rows, 16u);
  EXPECT_EQ(UnitNamed(layout, "blk.0.attn_v").head_rows, 0u);
  EXPECT_EQ(PlainNamed(layout, "blk.0.attn_k.bias").head_rows, 16u);
  EXPECT_EQ(PlainNamed(layout, "blk.0.attn_v.bias").head_rows, 0u);
  EXPECT_EQ(
      UnitNamed(GgufTarget().Describe(Tiny("qwen3")), "blk.0.attn_q").head_rows,
      0u);
}

TEST(GgufTargetTest, GateAndUpAreOneWhereLlamaCppWantsThat) {
  const TargetLayout layout = GgufTarget().Describe(Tiny("glm4"));
  const Unit& both = UnitNamed(layout, "blk.0.ffn_up");
  EXPECT_EQ(both.shape, (Shape{80, 48}));
  const Model model = Tiny("glm4");
  ASSERT_EQ(both.members.size(), 2u);
  EXPECT_EQ(model.matrices[both.members[0]].role, "gate_proj");
  EXPECT_EQ(model.matrices[both.members[1]].role, "up_proj");
}

TEST(GgufTargetTest, NormsOfGemmaHaveOneAdded) {
  const TargetLayout layout = GgufTarget().Describe(Tiny("gemma3"));
  for (const PlainTensor& plain : layout.plain) {
    EXPECT_EQ(plain.change, PlainTensor::Change::kAddOne) << plain.name;
    EXPECT_EQ(plain.dtype, DType::kF32) << plain.name;
  }
  EXPECT_EQ(
      PlainNamed(GgufTarget().Describe(Tiny("qwen3")), "blk.0.attn_norm.weight")
          .change,
      PlainTensor::Change::kNone);
}

TEST(GgufTargetTest, TiedHeadsAndPredictionLayersAreDropped) {
  const TargetLayout tied = GgufTarget().Describe(Tiny("qwen3"));
  EXPECT_FALSE(Shapes(tied).contains("output"));
  Json config = Tiny("glm4-moe").config;
  config["num_nextn_predict_layers"] = 1u;
  const TargetLayout layout = GgufTarget().Describe(ModelOf(config));
  bool named = false;
  for (const DroppedTensor& dropped : layout.dropped) {
    EXPECT_THAT(dropped.tensor, HasSubstr("layers.2."));
    EXPECT_THAT(dropped.why, HasSubstr("multi-token prediction"));
    named = named || dropped.tensor == "model.layers.2.eh_proj.weight";
  }
  EXPECT_TRUE(named);
  for (const auto& [name, shape] : Shapes(layout)) {
    EXPECT_THAT(name, testing::Not(HasSubstr("blk.2.")));
  }
}

TEST(GgufTargetTest, Llama3ScalingBecomesATable) {
  EXPECT_EQ(GgufTarget().Describe(Tiny("llama3-scaled")).rope_factors.size(),
            8u);
  EXPECT_TRUE(GgufTarget().Describe(Tiny("llama")).rope_factors.empty());
}

TEST(GgufTargetTest, TypesFollowFromTheWidthOfRows) {
  Json config = Tiny("llama").config;
  config["hidden_size"] = 256u;
  config["intermediate_size"] = 96u;
  const TargetLayout layout = GgufTarget().Describe(ModelOf(config));
  EXPECT_EQ(UnitNamed(layout, "blk.0.ffn_up").legal.size(), 13u);
  std::vector<std::string> labels;
  for (const Scheme& scheme : UnitNamed(layout, "blk.0.ffn_down").legal) {
    labels.push_back(SchemeLabel(scheme));
  }
  EXPECT_THAT(labels, ElementsAre("IQ4_NL", "Q4_0", "Q4_1", "Q5_0", "Q5_1",
                                  "Q8_0", "16-bit"));
  const TargetLayout narrow = GgufTarget().Describe(Tiny("llama"));
  EXPECT_THAT(UnitNamed(narrow, "blk.0.ffn_up").legal,
              ElementsAre(kFloat16Scheme));
}

// llama.cpp's src/llama-quant.cpp (tensor_type_fallback).
TEST(GgufTargetTest, StandInsAreThoseOfLlamaQuantize) {
  Json config = Tiny("llama").config;
  config["intermediate_size"] = 96u;
  const TargetLayout layout = GgufTarget().Describe(ModelOf(config));
  const Unit& down = UnitNamed(layout, "blk.0.ffn_down");
  const Unit& up = UnitNamed(layout, "blk.0.ffn_up");
  const auto closest = [](const Unit& unit, GgmlType type) {
    return SchemeLabel(GgufTarget().Closest(unit, Blocks(type)));
  };
  EXPECT_EQ(closest(down, GgmlType::kQ4_K), "Q5_0");
  EXPECT_EQ(closest(down, GgmlType::kQ5_K), "Q5_1");
  EXPECT_EQ(closest(down, GgmlType::kQ6_K), "Q8_0");
  EXPECT_EQ(closest(down, GgmlType::kQ2_K), "IQ4_NL");
  EXPECT_EQ(closest(down, GgmlType::kQ4_1), "Q4_1");
  EXPECT_EQ(closest(up, GgmlType::kQ4_K), "16-bit");
}

TEST(GgufTargetTest, NumbersOfBitsMeanTheUsualTypes) {
  const GgufTarget target;
  EXPECT_EQ(target.SchemeOf(4, std::nullopt), Blocks(GgmlType::kQ4_K));
  EXPECT_EQ(target.SchemeOf(8, std::nullopt), Blocks(GgmlType::kQ8_0));
  EXPECT_EQ(target.SchemeOf(4, 32), Blocks(GgmlType::kQ4_0));
  EXPECT_EQ(target.SchemeOf(4, 256), Blocks(GgmlType::kQ4_K));
  EXPECT_EQ(target.SchemeOf(4, 64), std::nullopt);
  EXPECT_EQ(target.SchemeOf(3, 32), std::nullopt);
  EXPECT_EQ(target.SchemeOf(7, std::nullopt), std::nullopt);
}

TEST(GgufTargetTest, RefusesWhatLlamaCppHasNoPlaceFor) {
  const Json config = Tiny("qwen3").config;
  std::vector<TensorInfo> tensors = ExpectedTensors(config);
  TensorInfo bias;
  bias.name = "model.layers.0.self_attn.o_proj.bias";
  bias.shape = {48};
  tensors.push_back(bias);
  const Model biased = DescribeModel(config, std::move(tensors), "model");
  EXPECT_THAT(
      ErrorMessage([&] { GgufTarget().Describe(biased); }),
      HasSubstr("self_attn.o_proj.bias: found a tensor that llama.cpp's qwen3 "
                "has no place for"));
  Model unknown;
  unknown.architecture = "OtherForCausalLM";
  unknown.model_type = "other";
  EXPECT_THAT(ErrorMessage([&] { GgufTarget().Describe(unknown); }),
              HasSubstr("expected one that llama.cpp's names are known for"));
}

}  // namespace
}  // namespace ram
