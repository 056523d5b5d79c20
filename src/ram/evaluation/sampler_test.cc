#include "ram/evaluation/sampler.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/random.h"

namespace ram {
namespace {

// Probabilities 0.5, 0.25, 0.125, 0.125 of tokens 2, 0, 1, 3.
const std::vector<float> kLogits = {std::log(0.25f), std::log(0.125f),
                                    std::log(0.5f), std::log(0.125f)};

// The share of each token among evenly spaced numbers.
std::map<int32_t, double> Shares(const SamplingOptions& options) {
  constexpr int kDraws = 16'000;
  Sampler sampler(options);
  std::map<int32_t, double> shares;
  for (int i = 0; i < kDraws; ++i) {
    shares[sampler.Choose(kLogits, (i + 0.5) / kDraws)] += 1.0 / kDraws;
  }
  return shares;
}

void ExpectShares(const std::map<int32_t, double>& found,
                  const std::map<int32_t, double>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (const auto& [token, share] : expected) {
    ASSERT_TRUE(found.contains(token)) << token;
    EXPECT_NEAR(found.at(token), share, 1e-3) << token;
  }
}

TEST(SamplerTest, DrawsByProbability) {
  ExpectShares(Shares({.temperature = 1}),
               {{2, 0.5}, {0, 0.25}, {1, 0.125}, {3, 0.125}});
}

// p^(1/t), made to add up to one: at 0.5, squares.
TEST(SamplerTest, SharpensByTemperature) {
  const double sum = 0.25 + 0.0625 + 2 * 0.015625;
  ExpectShares(Shares({.temperature = 0.5f}), {{2, 0.25 / sum},
                                               {0, 0.0625 / sum},
                                               {1, 0.015625 / sum},
                                               {3, 0.015625 / sum}});
}

TEST(SamplerTest, KeepsTheTopK) {
  ExpectShares(Shares({.temperature = 1, .top_k = 2}),
               {{2, 2.0 / 3}, {0, 1.0 / 3}});
  // Of two that are equal, the lower id.
  ExpectShares(Shares({.temperature = 1, .top_k = 3}),
               {{2, 4.0 / 7}, {0, 2.0 / 7}, {1, 1.0 / 7}});
}

TEST(SamplerTest, KeepsTheTopP) {
  ExpectShares(Shares({.temperature = 1, .top_p = 0.4f}), {{2, 1.0}});
  ExpectShares(Shares({.temperature = 1, .top_p = 0.7f}),
               {{2, 2.0 / 3}, {0, 1.0 / 3}});
}

TEST(SamplerTest, KeepsWhatIsNearTheMostLikely) {
  ExpectShares(Shares({.temperature = 1, .min_p = 0.3f}),
               {{2, 2.0 / 3}, {0, 1.0 / 3}});
}

TEST(SamplerTest, TakesTheMostLikelyAtTemperatureZero) {
  ExpectShares(Shares({}), {{2, 1.0}});
  EXPECT_EQ(MostLikely(std::vector<float>{1, 3, 3}), 1);
}

TEST(SamplerTest, RefusesOptionsOutOfRange) {
  EXPECT_THROW(CheckSampling({.temperature = -1}), Error);
  EXPECT_THROW(CheckSampling({.temperature = NAN}), Error);
  EXPECT_THROW(CheckSampling({.top_p = 0}), Error);
  EXPECT_THROW(CheckSampling({.min_p = 1.5f}), Error);
  EXPECT_NO_THROW(CheckSampling({.temperature = 1, .top_k = 5, .top_p = 1}));
}

}  // namespace
}  // namespace ram
