#include "ram/target/gguf_names.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

#include "ram/checkpoint/checkpoint.h"
#include "ram/checkpoint/gguf_tensors.h"

namespace ram {
namespace {

struct Case {
  const char* tiny;
  const char* model_type;  // that the reader takes it for
};

class GgufNamesOfFamilyTest : public testing::TestWithParam<Case> {};

// The reader gives every tensor the name it had.
TEST_P(GgufNamesOfFamilyTest, AreReadBack) {
  const Checkpoint checkpoint = Checkpoint::Open(
      RAM_SOURCE_DIR "/tests/data/forward/" + std::string(GetParam().tiny));
  const Model& model = checkpoint.model();
  const GgufTargetFamily& family = FindGgufTargetFamily(model);
  const GgufFamily read = {family.architecture, GetParam().model_type, "C"};
  int plain = 0;
  for (uint32_t i = 0; i < model.tensors.size(); ++i) {
    if (model.uses[i] != TensorUse::kPlain) continue;
    const auto name = GgufPlainName(family, model.tensors[i].name);
    ASSERT_TRUE(name) << model.tensors[i].name;
    EXPECT_EQ(HuggingFaceName(read, *name, family.fused_gate_up),
              model.tensors[i].name);
    ++plain;
  }
  EXPECT_GT(plain, 4);
  for (const Matrix& matrix : model.matrices) {
    const auto module = GgufModule(family, matrix);
    ASSERT_TRUE(module) << matrix.name;
    const std::string name =
        HuggingFaceName(read, *module + ".weight", family.fused_gate_up);
    EXPECT_NE(name, *module + ".weight");
    if (matrix.expert < 0 && matrix.part.empty()) {
      EXPECT_EQ(name, matrix.name);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Families, GgufNamesOfFamilyTest,
    testing::Values(Case{"llama", "llama"}, Case{"llama-tied-biased", "llama"},
                    Case{"mistral-window", "llama"}, Case{"mixtral", "mixtral"},
                    Case{"qwen2", "qwen2"}, Case{"qwen3", "qwen3"},
                    Case{"qwen3-moe", "qwen3_moe"}, Case{"glm4", "glm4"},
                    Case{"glm4-moe", "glm4_moe"},
                    Case{"glm4-moe-lite", "glm4_moe_lite"},
                    Case{"deepseek-v3", "deepseek_v3"},
                    Case{"gemma3", "gemma3_text"}, Case{"phi3", "phi3"}));

TEST(GgufNamesTest, HaveNoPlaceForWhatLlamaCppLacks) {
  const Checkpoint checkpoint =
      Checkpoint::Open(RAM_SOURCE_DIR "/tests/data/forward/qwen3");
  const GgufTargetFamily& qwen = FindGgufTargetFamily(checkpoint.model());
  EXPECT_FALSE(GgufPlainName(qwen, "model.layers.0.self_attn.o_proj.bias"));
  EXPECT_FALSE(GgufPlainName(qwen, "model.layers.0.mlp.up_proj.bias"));
  EXPECT_FALSE(GgufPlainName(qwen, "model.layers.0.other.weight"));
  EXPECT_FALSE(GgufPlainName(qwen, "model.other"));
  Matrix matrix;
  matrix.role = "shared_expert_gate";
  EXPECT_FALSE(GgufModule(qwen, matrix));
}

// LlamaModel.permute of llama.cpp's converter for heads of 8 rows: [2, 4]
// becomes [4, 2].
TEST(GgufNamesTest, PairsOfRowsLieSideBySide) {
  const uint64_t expected[] = {0, 4, 1, 5, 2, 6, 3, 7};
  for (uint64_t row = 0; row < 16; ++row) {
    EXPECT_EQ(PairedRow(row, 8), row / 8 * 8 + expected[row % 8]);
  }
}

}  // namespace
}  // namespace ram
