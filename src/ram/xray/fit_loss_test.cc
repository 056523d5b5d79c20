#include "ram/xray/fit_loss.h"

#include <gtest/gtest.h>

namespace ram {
namespace {

// Measured: predicted loss, KL divergence (docs/fit.md).
struct Measured {
  double loss, kl;
};
constexpr Measured kMeasured[] = {
    {0.000731, 0.000708}, {0.002732, 0.001776}, {0.007713, 0.006638},
    {0.010501, 0.006295}, {0.013988, 0.014054}, {0.030354, 0.025435},
    {0.059852, 0.040400}, {0.085372, 0.083840}, {0.265424, 0.319313}};

TEST(FitLossTest, CoversWhatWasMeasured) {
  for (const auto& [loss, kl] : kMeasured) {
    const auto expected = ExpectDivergence(loss);
    ASSERT_TRUE(expected.has_value()) << loss;
    EXPECT_LE(expected->low, kl * 1.001) << loss;
    EXPECT_GE(expected->high, kl * 0.999) << loss;
    EXPECT_LT(expected->low, expected->kl) << loss;
    EXPECT_LT(expected->kl, expected->high) << loss;
  }
}

TEST(FitLossTest, SaysNothingBeyondTheMeasurements) {
  EXPECT_EQ(ExpectDivergence(0), std::nullopt);
  EXPECT_EQ(ExpectDivergence(0.0001), std::nullopt);
  EXPECT_EQ(ExpectDivergence(0.5), std::nullopt);
}

}  // namespace
}  // namespace ram
