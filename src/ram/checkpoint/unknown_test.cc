// Architectures nobody described: cut by shape, roles by name.
#include <gtest/gtest.h>

#include "ram/checkpoint/model.h"
#include "ram/checkpoint/tensor_name.h"
#include "ram/checkpoint/test_support.h"

namespace ram {
namespace {

Model Unknown(std::vector<TensorInfo> tensors) {
  return DescribeModel(Config(R"({"model_type": "odd",
      "architectures": ["OddForCausalLM"]})"),
                       std::move(tensors), "m");
}

TEST(UnknownArchitectureTest, SaysSo) {
  const Model model = Unknown({Tensor("a", {4, 4})});
  EXPECT_FALSE(model.known);
  EXPECT_EQ(model.architecture, "OddForCausalLM");
}

TEST(UnknownArchitectureTest, GuessesRolesFromTheUsualNames) {
  const Model model = Unknown(
      {Tensor("model.embed_tokens.weight", {4, 4}),
       Tensor("model.layers.0.attention.wq.weight", {4, 4}),
       Tensor("model.layers.0.self_attn.out_proj.weight", {4, 4}),
       Tensor("model.layers.0.mlp.fc1.weight", {4, 4}),
       Tensor("model.layers.0.mlp.gate.weight", {4, 4}),
       Tensor("model.layers.0.mlp.experts.7.down_proj.weight", {4, 4}),
       Tensor("model.layers.0.mlp.shared_expert.up_proj.weight", {4, 4}),
       Tensor("model.layers.0.strange.weight", {4, 4}),
       Tensor("lm_head.weight", {4, 4})});
  EXPECT_EQ(Summary(model), R"(model.embed_tokens.weight embed_tokens [4, 4]
model.layers.0.attention.wq.weight q_proj layer=0 [4, 4]
model.layers.0.self_attn.out_proj.weight o_proj layer=0 [4, 4]
model.layers.0.mlp.fc1.weight up_proj layer=0 [4, 4]
model.layers.0.mlp.gate.weight router layer=0 [4, 4]
model.layers.0.mlp.experts.7.down_proj.weight down_proj layer=0 expert=7 [4, 4]
model.layers.0.mlp.shared_expert.up_proj.weight shared_up_proj layer=0 [4, 4]
model.layers.0.strange.weight other layer=0 [4, 4]
lm_head.weight lm_head [4, 4]
)");
}

TEST(UnknownArchitectureTest, CutsStacksOfExpertsButNoConvolutions) {
  const Model model = Unknown({Tensor("layers.1.experts.up_proj", {2, 3, 4}),
                               Tensor("layers.1.conv1d.weight", {6, 3, 4})});
  EXPECT_EQ(Summary(model),
            "layers.1.experts.0.up_proj.weight up_proj layer=1 expert=0 [3, 4]"
            "\nlayers.1.experts.1.up_proj.weight up_proj layer=1 expert=1 "
            "[3, 4]\n");
  EXPECT_EQ(MatrixNamed(model, "layers.1.experts.1.up_proj.weight").first_row,
            3u);
  EXPECT_EQ(UseOf(model, "layers.1.conv1d.weight"), TensorUse::kPlain);
}

TEST(UnknownArchitectureTest, LeavesWhatIsNoMatrix) {
  const Model model =
      Unknown({Tensor("a.bias", {4}), Tensor("b.weight", {1, 4}),
               Tensor("c.weight", {4, 1}), Tensor("ids", {4, 4}, DType::kI64),
               Tensor("embed_positions.weight", {4, 4})});
  EXPECT_TRUE(model.matrices.empty());
  for (TensorUse use : model.uses) EXPECT_EQ(use, TensorUse::kPlain);
}

TEST(UnknownArchitectureTest, TiesAnEmbeddingWithoutAHead) {
  EXPECT_TRUE(Unknown({Tensor("wte.weight", {4, 4})}).tied_head);
}

TEST(TensorNameTest, FindsLayerAndExpert) {
  const TensorName name =
      ParseTensorName("model.layers.12.mlp.experts.34.up_proj.weight");
  EXPECT_EQ(name.prefix, "model.");
  EXPECT_EQ(name.layers, "layers");
  EXPECT_EQ(name.layer, 12);
  EXPECT_EQ(name.expert, 34);
  EXPECT_EQ(name.path, "mlp.experts.*.up_proj.weight");
}

TEST(TensorNameTest, TakesNoLeadingZerosAndNoHugeNumbers) {
  EXPECT_EQ(ParseTensorName("layers.01.x").layer, -1);
  EXPECT_EQ(ParseTensorName("layers.999999999.x").layer, -1);
  EXPECT_EQ(ParseTensorName("layers.x").layer, -1);
  EXPECT_EQ(ParseTensorName("layers.1").layer, -1);
}

TEST(TensorNameTest, SurvivesOddNames) {
  for (const char* name : {"", ".", "..", "experts.", "experts.1", "h.",
                           "layers.1.", "layers.1.experts.2."}) {
    ParseTensorName(name);
  }
  EXPECT_EQ(ParseTensorName("layers.1.experts.2.").path, "experts.*.");
}

}  // namespace
}  // namespace ram
