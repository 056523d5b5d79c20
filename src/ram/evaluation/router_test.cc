#include "ram/evaluation/router.h"

#include <gtest/gtest.h>

#include <cmath>

namespace ram {
namespace {

// Logits whose softmax is p.
std::vector<float> LogsOf(std::vector<float> p) {
  for (float& x : p) x = std::log(x);
  return p;
}

TEST(RouterTest, WeighsByProbability) {
  RouterConfig config;
  config.experts = 4;
  config.per_token = 2;
  std::vector<ExpertChoice> choices(2);
  ChooseExperts(config, LogsOf({0.1f, 0.4f, 0.2f, 0.3f}), {}, choices);
  EXPECT_EQ(choices[0].expert, 1u);
  EXPECT_NEAR(choices[0].weight, 0.4, 1e-6);
  EXPECT_EQ(choices[1].expert, 3u);
  EXPECT_NEAR(choices[1].weight, 0.3, 1e-6);
}

TEST(RouterTest, NormalisesTheChosen) {
  RouterConfig config;
  config.experts = 4;
  config.per_token = 2;
  config.normalize = true;
  config.scale = 2;
  std::vector<ExpertChoice> choices(2);
  ChooseExperts(config, LogsOf({0.1f, 0.45f, 0.3f, 0.15f}), {}, choices);
  EXPECT_NEAR(choices[0].weight, 2 * 0.6, 1e-6);
  EXPECT_NEAR(choices[1].weight, 2 * 0.4, 1e-6);
}

TEST(RouterTest, TakesTheLowerNumberOfTwoEqualExperts) {
  RouterConfig config;
  config.experts = 3;
  config.per_token = 1;
  std::vector<ExpertChoice> choices(1);
  ChooseExperts(config, std::vector<float>{0, 1, 1}, {}, choices);
  EXPECT_EQ(choices[0].expert, 1u);
}

TEST(RouterTest, LetsTheBiasChooseButNotWeigh) {
  RouterConfig config;
  config.experts = 3;
  config.per_token = 1;
  config.sigmoid = true;
  std::vector<ExpertChoice> choices(1);
  ChooseExperts(config, std::vector<float>{0, 2, 0},
                std::vector<float>{0, 0, 5}, choices);
  EXPECT_EQ(choices[0].expert, 2u);
  EXPECT_NEAR(choices[0].weight, 0.5, 1e-6);  // sigmoid(0)
}

TEST(RouterTest, ChoosesFromTheBestGroupsOnly) {
  RouterConfig config;
  config.experts = 6;
  config.per_token = 2;
  config.sigmoid = true;
  config.groups = 2;
  config.kept_groups = 1;
  std::vector<ExpertChoice> choices(2);
  // The best expert is in the first group, the best pair in the second.
  ChooseExperts(config, std::vector<float>{3, -9, -9, 2, 1, -9}, {}, choices);
  EXPECT_EQ(choices[0].expert, 3u);
  EXPECT_EQ(choices[1].expert, 4u);
}

}  // namespace
}  // namespace ram
