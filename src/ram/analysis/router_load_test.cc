#include "ram/analysis/router_load.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>
#include <vector>

namespace ram {
namespace {

std::vector<float> Identity(size_t n) {
  std::vector<float> matrix(n * n);
  for (size_t i = 0; i < n; ++i) matrix[i * n + i] = 1;
  return matrix;
}

// A binomial share of 4,096 tokens is within five deviations of its mean.
double Tolerance(double share) {
  return 5 * std::sqrt(share * (1 - share) / double{kSimulatedTokens});
}

TEST(RouterLoadTest, IndependentExpertsShareEvenly) {
  const std::vector<float> rms(8, 1.0f);
  const auto load =
      SimulateRouterLoad(Identity(8), rms, {.per_token = 2}, 42, "router");
  for (const float share : load) EXPECT_NEAR(share, 0.25, Tolerance(0.25));
}

TEST(RouterLoadTest, SharesSumToTheExpertsPerToken) {
  const std::vector<float> rms(5, 1.0f);
  const auto load =
      SimulateRouterLoad(Identity(5), rms, {.per_token = 3}, 1, "router");
  EXPECT_NEAR(std::accumulate(load.begin(), load.end(), 0.0), 3.0, 1e-6);
}

// Of a loud expert and quiet ones, the loud one comes first or last: half.
TEST(RouterLoadTest, ALoudRowIsChosenHalfOfTheTime) {
  std::vector<float> weights = Identity(8);
  weights[0] = 1000;
  const std::vector<float> rms(8, 1.0f);
  const auto load =
      SimulateRouterLoad(weights, rms, {.per_token = 1}, 42, "router");
  EXPECT_NEAR(load[0], 0.5, Tolerance(0.5));
}

TEST(RouterLoadTest, ChannelsCountAsTheirInputsDo) {
  std::vector<float> rms(8, 1.0f);
  rms[3] = 1000;
  const auto load =
      SimulateRouterLoad(Identity(8), rms, {.per_token = 1}, 42, "router");
  EXPECT_NEAR(load[3], 0.5, Tolerance(0.5));
}

TEST(RouterLoadTest, ABiasDecidesAmongSigmoids) {
  const std::vector<float> rms(4, 1.0f);
  const RouterRule rule = {
      .per_token = 1, .sigmoid = true, .bias = {0, 0, 2, 0}};
  const auto load = SimulateRouterLoad(Identity(4), rms, rule, 42, "router");
  EXPECT_EQ(load[2], 1.0f);
}

TEST(RouterLoadTest, OnlyKeptGroupsAreChosenFrom) {
  const std::vector<float> rms(4, 1.0f);
  // The first expert has the highest score, the second group the best pair.
  const RouterRule rule = {.per_token = 1,
                           .sigmoid = true,
                           .bias = {10, -20, 5, 5},
                           .groups = 2,
                           .kept_groups = 1};
  const auto load = SimulateRouterLoad(Identity(4), rms, rule, 42, "router");
  EXPECT_EQ(load[0] + load[1], 0.0f);
}

TEST(RouterLoadTest, EqualRowsAreChosenByNumber) {
  const std::vector<float> weights = {1, 0, 1, 0, 1, 0};
  const std::vector<float> rms = {1, 1};
  const auto load =
      SimulateRouterLoad(weights, rms, {.per_token = 1}, 42, "router");
  EXPECT_EQ(load[0], 1.0f);
}

}  // namespace
}  // namespace ram
