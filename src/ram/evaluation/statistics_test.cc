#include "ram/evaluation/statistics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ram/base/random.h"

namespace ram {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

// Expected values of this sample: numpy 2.4 and scipy 1.17.
const std::vector<double> kSample = {3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5,
                                     8, 9, 7, 9, 3, 2, 3, 8, 4, 60};

TEST(StatisticsTest, MeanMedianAndQuantilesMatchNumpy) {
  EXPECT_DOUBLE_EQ(Mean(kSample), 7.476190476190476);
  EXPECT_DOUBLE_EQ(Median(kSample), 5);
  EXPECT_DOUBLE_EQ(Quantile(kSample, 0.95), 9);
  EXPECT_DOUBLE_EQ(Quantile(kSample, 0.99), 49.80000000000004);
}

TEST(StatisticsTest, QuantilesInPlaceMatchNumpy) {
  std::vector<float> values(kSample.begin(), kSample.end());
  const std::vector<double> shares = {0.5, 0.99};
  EXPECT_THAT(QuantilesInPlace(values, shares),
              ElementsAre(5, DoubleNear(49.8, 1e-12)));
}

TEST(StatisticsTest, TrimmedMeanMatchesScipy) {
  EXPECT_DOUBLE_EQ(TrimmedMean(kSample, 0.05), 5.052631578947368);
}

TEST(StatisticsTest, MedianAbsoluteDeviationMatchesScipy) {
  EXPECT_DOUBLE_EQ(MedianAbsoluteDeviation(kSample), 2);
}

TEST(StatisticsTest, StandardErrorMatchesScipySem) {
  EXPECT_DOUBLE_EQ(StandardError(kSample), 2.688262890718561);
  EXPECT_EQ(StandardError(std::vector<double>{7}), 0);
}

TEST(StatisticsTest, OneValueIsItsOwnSummary) {
  const std::vector<double> one = {7};
  EXPECT_EQ(Median(one), 7);
  EXPECT_EQ(Quantile(one, 0.99), 7);
  EXPECT_EQ(TrimmedMean(one, 0.05), 7);
}

// exp(mean) and exp(mean) * scipy.stats.sem(means): with windows of one size
// the ratio estimator is the mean of their means.
TEST(StatisticsTest, PooledPerplexityOfEqualWindowsUsesTheirStandardError) {
  const std::vector<WindowTotal> windows = {{8, 4}, {9, 4}, {11, 4}, {12.5, 4}};
  const Estimate pooled = PooledPerplexity(windows);
  EXPECT_NEAR(pooled.value, 12.569207830853442, 1e-12);
  EXPECT_NEAR(pooled.standard_error, 3.16675603825853, 1e-12);
}

// By hand: mean = 61/21, residuals NLL - mean x tokens.
TEST(StatisticsTest, PooledPerplexityWeighsWindowsByTokens) {
  const std::vector<WindowTotal> windows = {{10, 4}, {12, 4}, {9, 3}, {30, 10}};
  const Estimate pooled = PooledPerplexity(windows);
  EXPECT_NEAR(pooled.value, 18.26089530235418, 1e-12);
  EXPECT_NEAR(pooled.standard_error, 1.9457319555020798, 1e-12);
}

// The differences are nearly normal, so the percentile interval is the normal
// one; a 2.5 % quantile of 10,000 draws has a standard error of 0.027 sigma.
TEST(StatisticsTest, BootstrapIntervalOfNormalDifferencesIsTheNormalOne) {
  const CounterRandom random(1, "test");
  std::vector<WindowTotal> baseline, model;
  std::vector<double> means;
  for (uint64_t i = 0; i < 400; ++i) {
    const double difference = 0.02 + 0.05 * random.Normal(2 * i);
    const double nll = 3.4 + 0.3 * random.Normal(2 * i + 1);
    baseline.push_back({100 * nll, 100});
    model.push_back({100 * (nll + difference), 100});
    means.push_back(difference);
  }
  const double mean = Mean(means), sigma = StandardError(means);
  const Interval ratio = BootstrapPerplexityRatio(baseline, model, 42);
  EXPECT_NEAR(ratio.value, std::exp(mean), 1e-12);
  EXPECT_NEAR(std::log(ratio.low), mean - 1.96 * sigma, 0.12 * sigma);
  EXPECT_NEAR(std::log(ratio.high), mean + 1.96 * sigma, 0.12 * sigma);
}

// Three windows: of 27 equally likely draws the median window is the first in
// 7, the second in 13, the third in 7, so each has a share beyond 2.5 %.
TEST(StatisticsTest, BootstrapOfTheMedianReachesWindowsInReach) {
  const std::vector<WindowTotal> baseline = {{2, 2}, {4, 2}, {6, 2}};
  const std::vector<WindowTotal> model = {{1.8, 2}, {4.2, 2}, {6.6, 2}};
  const Interval ratio = BootstrapMedianRatio(baseline, model, 42);
  EXPECT_NEAR(ratio.value, std::exp(0.1), 1e-12);
  EXPECT_NEAR(ratio.low, std::exp(-0.1), 1e-12);
  EXPECT_NEAR(ratio.high, std::exp(0.3), 1e-12);
}

TEST(StatisticsTest, BootstrapOfTheMedianOfEvenCountsIsThatOfTwo) {
  const std::vector<WindowTotal> baseline = {{0, 1}, {std::log(3.0), 1}};
  const std::vector<WindowTotal> model = {{0, 1}, {std::log(7.0), 1}};
  const Interval ratio = BootstrapMedianRatio(baseline, model, 42);
  EXPECT_NEAR(ratio.value, 2, 1e-12);  // (1 + 7) / (1 + 3)
  EXPECT_NEAR(ratio.low, 1, 1e-12);    // one draw in four
  EXPECT_NEAR(ratio.high, 7.0 / 3, 1e-12);
}

TEST(StatisticsTest, BootstrapRepeatsForASeed) {
  const std::vector<WindowTotal> baseline = {{10, 4}, {12, 4}, {9, 4}};
  const std::vector<WindowTotal> model = {{11, 4}, {12, 4}, {12, 4}};
  const Interval first = BootstrapPerplexityRatio(baseline, model, 7);
  const Interval second = BootstrapPerplexityRatio(baseline, model, 7);
  EXPECT_EQ(first.low, second.low);
  EXPECT_EQ(first.high, second.high);
}

// By hand: differences 0.5, 0.1, 0.3, 0.7; scipy.stats.sem and norm.ppf.
TEST(StatisticsTest, PairedDifferenceIsMeanAndNormalInterval) {
  const std::vector<double> a = {1, 2, 3, 4}, b = {1.5, 2.1, 3.3, 4.7};
  const Interval difference = PairedDifference(a, b);
  EXPECT_NEAR(difference.value, 0.4, 1e-12);
  EXPECT_NEAR(difference.low, 0.146969737623668, 1e-12);
}

TEST(StatisticsTest, OutliersAreFarAboveTheMedianAndOverHundred) {
  // Median 3.0, deviation 0.1: the limit is ln 100 = 4.6.
  std::vector<WindowTotal> windows;
  for (int i = 0; i < 10; ++i) windows.push_back({2.9 + 0.2 * (i % 2), 1});
  windows.push_back({4.5, 1});  // far above, but its perplexity is 90
  windows.push_back({4.7, 1});
  windows.push_back({9.0, 1});
  EXPECT_THAT(HighOutliers(windows), ElementsAre(12, 11));
}

TEST(StatisticsTest, AWeakModelHasNoOutliersForBeingWeak) {
  const std::vector<WindowTotal> windows = {{6.0, 1}, {6.2, 1}, {6.4, 1}};
  EXPECT_THAT(HighOutliers(windows), ElementsAre());
}

PairedChoices ChoicesWith(size_t only_first, size_t only_second) {
  std::vector<uint8_t> first = {1, 0}, second = {1, 0};
  for (size_t i = 0; i < only_first; ++i) {
    first.push_back(1);
    second.push_back(0);
  }
  for (size_t i = 0; i < only_second; ++i) {
    first.push_back(0);
    second.push_back(1);
  }
  return McNemar(first, second);
}

TEST(StatisticsTest, McNemarMatchesScipyBinomTest) {
  const PairedChoices few = ChoicesWith(3, 10);
  EXPECT_EQ(few.only_first, 3u);
  EXPECT_EQ(few.only_second, 10u);
  EXPECT_NEAR(few.p_value, 0.09228515625, 1e-12);
  EXPECT_NEAR(ChoicesWith(480, 520).p_value, 0.2174482932041415, 1e-9);
}

TEST(StatisticsTest, McNemarOfManyMatchesScipyChiSquared) {
  EXPECT_NEAR(ChoicesWith(700, 560).p_value, 9.007453012614099e-05, 1e-12);
}

TEST(StatisticsTest, McNemarOfEqualModelsIsOne) {
  EXPECT_EQ(ChoicesWith(0, 0).p_value, 1);
  EXPECT_EQ(ChoicesWith(4, 4).p_value, 1);
}

TEST(StatisticsTest, OrdersAgreeOnlyOnTheSameDifference) {
  using enum Order;
  const std::vector<Order> a = {kFirstBetter, kFirstBetter, kSame, kSame};
  const std::vector<Order> b = {kFirstBetter, kSecondBetter, kSame,
                                kSecondBetter};
  const OrderAgreement agreement = CompareOrders(a, b);
  EXPECT_EQ(agreement.alike, 2u);
  EXPECT_EQ(agreement.opposite, 1u);
  EXPECT_EQ(agreement.undecided, 1u);
}

}  // namespace
}  // namespace ram
