#include "ram/allocation/role_weights.h"

#include <gtest/gtest.h>

#include <numeric>

#include "ram/allocation/test_manifest.h"

namespace ram {
namespace {

double SumOf(const Model& model, std::string_view role) {
  const std::vector<double> weights = MatrixWeights(model);
  double sum = 0;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (model.matrices[i].role == role) sum += weights[i];
  }
  return sum;
}

TEST(RoleWeightsTest, AddUpToTheSensitivityOfTheRole) {
  const Model model = TestManifest(TinyMoeConfig()).model;
  EXPECT_NEAR(SumOf(model, "down_proj"), RoleSensitivity("down_proj", true),
              1e-12);
  EXPECT_NEAR(SumOf(model, "v_proj"), RoleSensitivity("v_proj", false), 1e-12);
}

TEST(RoleWeightsTest, WeighATiedEmbeddingAsBoth) {
  Json config = TinyConfig();
  config["tie_word_embeddings"] = true;
  EXPECT_NEAR(SumOf(TestManifest(config).model, "embed_tokens"),
              RoleSensitivity("embed_tokens", false) +
                  RoleSensitivity("lm_head", false),
              1e-12);
}

TEST(RoleWeightsTest, CountTheFirstAndLastLayerTwice) {
  const Model model = TestManifest(TinyConfig()).model;
  const std::vector<double> weights = MatrixWeights(model);
  std::vector<double> layers;
  for (size_t i = 0; i < weights.size(); ++i) {
    if (model.matrices[i].role == "o_proj") layers.push_back(weights[i]);
  }
  ASSERT_EQ(layers.size(), 3u);
  EXPECT_DOUBLE_EQ(layers[0], 2 * layers[1]);
  EXPECT_DOUBLE_EQ(layers[2], 2 * layers[1]);
}

TEST(RoleWeightsTest, KeepRoutersAndLatentKeysPrecise) {
  for (const char* role : {"router", "kv_a_proj", "embed_q", "unembed_out"}) {
    EXPECT_EQ(FewestBits(role), 8) << role;
  }
  EXPECT_EQ(FewestBits("q_proj"), 2);
}

}  // namespace
}  // namespace ram
