#include "ram/analysis/spectrum_power_law.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ram/base/random.h"

namespace ram {
namespace {

// density ~ x^-alpha for x >= minimum.
std::vector<double> ParetoSample(size_t count, double alpha, double minimum,
                                 uint64_t seed) {
  const CounterRandom random(seed, "pareto");
  std::vector<double> values(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = minimum * std::pow(1 - random.Uniform(i), -1 / (alpha - 1));
  }
  return values;
}

TEST(PowerLawTest, RecoversTheExponentOfParetoSamples) {
  for (const double alpha : {1.8, 2.5, 3.5, 5.0}) {
    // The mean over samples, against its own standard error.
    double error = 0, variance = 0;
    constexpr int kSamples = 10;
    for (uint64_t seed = 0; seed < kSamples; ++seed) {
      const auto fit = FitPowerLaw(ParetoSample(1000, alpha, 0.01, seed));
      ASSERT_TRUE(fit.has_value());
      EXPECT_NEAR(fit->alpha, alpha, 4 * fit->standard_error());
      error += fit->alpha - alpha;
      variance += fit->standard_error() * fit->standard_error();
    }
    EXPECT_LT(std::abs(error), 3 * std::sqrt(variance)) << alpha;
  }
}

TEST(PowerLawTest, FindsWhereTheTailBegins) {
  // Uniform below 1, a power law above: the bulk must not bias the tail.
  std::vector<double> values = ParetoSample(1500, 2.5, 1.0, 3);
  const CounterRandom random(1, "bulk");
  for (uint64_t i = 0; i < 1500; ++i) values.push_back(random.Uniform(i));
  const auto fit = FitPowerLaw(values);
  ASSERT_TRUE(fit.has_value());
  EXPECT_NEAR(fit->alpha, 2.5, 3 * fit->standard_error());
  EXPECT_GT(fit->minimum, 0.95);
  EXPECT_GT(fit->tail, 500u);
  EXPECT_NEAR(fit->distance, 0, 0.03);
}

TEST(PowerLawTest, DoesNotDependOnTheUnit) {
  std::vector<double> values = ParetoSample(300, 3, 1.0, 4);
  const auto expected = FitPowerLaw(values);
  for (double& value : values) value *= 0x1p-60;
  const auto found = FitPowerLaw(values);
  EXPECT_NEAR(found->alpha, expected->alpha, 1e-9);
  EXPECT_EQ(found->tail, expected->tail);
}

TEST(PowerLawTest, HasNoFitForFewerThanTwoDifferentValues) {
  EXPECT_FALSE(FitPowerLaw({}).has_value());
  EXPECT_FALSE(FitPowerLaw(std::vector<double>{3, 3, 3}).has_value());
  EXPECT_FALSE(FitPowerLaw(std::vector<double>{0, -1, 2}).has_value());
  EXPECT_TRUE(FitPowerLaw(std::vector<double>{1, 2}).has_value());
}

}  // namespace
}  // namespace ram
