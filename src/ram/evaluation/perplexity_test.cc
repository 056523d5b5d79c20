#include "ram/evaluation/perplexity.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace ram {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

// Windows of three tokens, so of two targets.
std::vector<Segment> Windows(size_t count) {
  return std::vector<Segment>(count, Segment{{5, 6, 7}, -1, 1});
}

ModelScores Scores(const std::vector<float>& log_probs) {
  ModelScores scores;
  for (const float log_prob : log_probs) {
    scores.tokens.push_back({log_prob, false});
  }
  return scores;
}

TEST(PerplexityTest, UniformModelHasThePerplexityOfItsVocabulary) {
  const auto log_prob = static_cast<float>(-std::log(512.0));
  const PerplexityResult result = SummarizePerplexity(
      Windows(3), Scores(std::vector<float>(6, log_prob)), nullptr, 42);
  EXPECT_NEAR(result.pooled.value, 512, 512 * 1e-6);  // float32 logarithms
  EXPECT_NEAR(result.median, 512, 512 * 1e-6);
  EXPECT_EQ(result.pooled.standard_error, 0);
  EXPECT_EQ(result.tokens, 6u);
  EXPECT_FALSE(result.distance.has_value());
}

TEST(PerplexityTest, PooledIsTheExponentOfTheMeanNllMedianIsByWindow) {
  // Mean NLL by window: 1, 2, 6.
  const PerplexityResult result = SummarizePerplexity(
      Windows(3), Scores({-1, -1, -1, -3, -8, -4}), nullptr, 42);
  EXPECT_NEAR(result.pooled.value, std::exp(3.0), 1e-12);
  EXPECT_NEAR(result.median, std::exp(2.0), 1e-12);
  EXPECT_NEAR(result.mean, (std::exp(1) + std::exp(2) + std::exp(6)) / 3,
              1e-12);
}

TEST(PerplexityTest, DistanceSummarizesTokensAgainstTheBaseline) {
  ModelScores baseline =
      Scores({std::log(0.5f), std::log(0.25f), std::log(0.5f), std::log(0.5f)});
  ModelScores model =
      Scores({std::log(0.5f), std::log(0.5f), std::log(0.25f), std::log(0.5f)});
  baseline.tokens[0].top = baseline.tokens[2].top = true;
  model.tokens[0].top = model.tokens[1].top = true;
  model.comparisons = {
      {0.0f, true}, {0.1f, false}, {0.3f, false}, {0.4f, true}};
  const PerplexityResult result =
      SummarizePerplexity(Windows(2), model, &baseline, 42);
  ASSERT_TRUE(result.distance.has_value());
  const DistributionDistance& distance = *result.distance;
  EXPECT_NEAR(distance.kl_mean, 0.2, 1e-7);
  EXPECT_NEAR(distance.kl_median, 0.2, 1e-7);
  EXPECT_NEAR(distance.kl_p99, 0.397, 1e-7);  // numpy.quantile
  EXPECT_NEAR(distance.window_kl[0], 0.05, 1e-8);
  EXPECT_NEAR(distance.window_kl[1], 0.35, 1e-7);
  EXPECT_NEAR(distance.kl_standard_error, 0.15, 1e-7);  // 0.3 / 2
  EXPECT_EQ(distance.top1_agreement, 0.5);
  EXPECT_EQ(distance.flips_lost, 0.25);
  EXPECT_EQ(distance.flips_gained, 0.25);
  EXPECT_NEAR(distance.rms_probability_change, std::sqrt(0.125 / 4), 1e-7);
  EXPECT_NEAR(distance.perplexity_ratio.value, 1, 1e-7);
}

std::vector<float> Constant(float nll, size_t windows) {
  return std::vector<float>(2 * windows, -nll);
}

struct Compared {
  std::vector<std::string> names;
  std::vector<PerplexityResult> results;
  std::vector<uint64_t> numbers;

  std::vector<std::string> Warnings() const {
    return PerplexityWarnings(names, results, numbers, 42);
  }
};

Compared Compare(const std::vector<std::vector<float>>& models) {
  Compared compared;
  const size_t windows = models[0].size() / 2;
  for (size_t i = 0; i < models.size(); ++i) {
    compared.names.push_back("model" + std::to_string(i));
    compared.results.push_back(
        SummarizePerplexity(Windows(windows), Scores(models[i]), nullptr, 42));
  }
  for (size_t i = 0; i < windows; ++i) compared.numbers.push_back(10 * i);
  return compared;
}

TEST(PerplexityWarningsTest, NothingToSayOfAnHonestComparison) {
  EXPECT_THAT(Compare({Constant(3.0f, 20), Constant(3.1f, 20)}).Warnings(),
              IsEmpty());
}

TEST(PerplexityWarningsTest, NamesTheWindowsOnWhichAModelCollapses) {
  std::vector<float> collapsing = Constant(3.0f, 20);
  collapsing[6] = collapsing[7] = -9;
  const auto warnings = Compare({collapsing}).Warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_EQ(warnings[0],
            "model0: 1 of 20 windows collapse (window 30) and move the pooled "
            "perplexity from 20.086 to 27.113; trust the median, 20.086");
}

TEST(PerplexityWarningsTest, SaysWhenMeanAndMedianDisagreeAndWhichWindows) {
  // The original collapses on one window; the other is worse on all others.
  std::vector<float> original = Constant(3.0f, 20);
  original[6] = original[7] = -4.5;  // not an outlier: perplexity 90
  const auto warnings = Compare({original, Constant(3.05f, 20)}).Warnings();
  ASSERT_EQ(warnings.size(), 2u);
  EXPECT_THAT(warnings[0],
              AllOf(StartsWith("model1 seems better than the baseline model0"),
                    HasSubstr("1 of 20 windows cause it: without window 30")));
  EXPECT_THAT(warnings[1],
              AllOf(StartsWith("mean and median disagree: model1 has the lower "
                               "pooled perplexity (21.115 against 21.650"),
                    HasSubstr("model0 the lower median (20.086 against 21.115; "
                              "ratio 1.0513, 95 % interval 1.0513 to 1.0513)"),
                    HasSubstr("without window 30 it would say")));
}

// Alternately better and worse: 11 windows by 0.02, 9 by 0.03. The two middle
// windows are among those where it is worse.
TEST(PerplexityWarningsTest, SaysNothingOfOrdersWithinNoise) {
  std::vector<float> first = Constant(3.0f, 20), second = Constant(3.0f, 20);
  for (size_t i = 0; i < 20; ++i) {
    const float level = 3.0f + 0.1f * static_cast<float>(i);
    const bool worse = i % 2 == 0 || i == 9;
    first[2 * i] = first[2 * i + 1] = -level;
    second[2 * i] = second[2 * i + 1] = -level + (worse ? -0.02f : 0.03f);
  }
  const Compared compared = Compare({second, first});
  ASSERT_LT(compared.results[0].pooled.value, compared.results[1].pooled.value);
  ASSERT_GT(compared.results[0].median, compared.results[1].median);
  EXPECT_THAT(compared.Warnings(), IsEmpty());
}

// The same pooled difference on every window is beyond its interval; medians
// of two windows that swapped places are not the same windows' any more.
TEST(PerplexityWarningsTest, SaysWhenOnlyTheMeanIsBeyondItsInterval) {
  std::vector<float> first, second;
  for (size_t i = 0; i < 21; ++i) {
    const float level = 3.0f + 0.1f * static_cast<float>(i);
    // The middle window alone is worse, by less than to the next one.
    const float other = i == 10 ? level + 0.04f : level - 0.05f;
    first.insert(first.end(), 2, -level);
    second.insert(second.end(), 2, -other);
  }
  const auto warnings = Compare({second, first}).Warnings();
  ASSERT_EQ(warnings.size(), 1u);
  EXPECT_THAT(
      warnings[0],
      AllOf(StartsWith("mean and median disagree: model0 has the lower pooled"),
            HasSubstr("no difference). ")));
}

TEST(PerplexityWarningsTest, CallsABetterCompressedModelNoDifferenceInNoise) {
  std::vector<float> original = Constant(3.0f, 20);
  std::vector<float> compressed = Constant(3.0f, 20);
  for (size_t i = 0; i < 20; ++i)
    compressed[2 * i] += i % 2 == 0 ? 0.1f : -0.09f;
  const auto warnings = Compare({original, compressed}).Warnings();
  ASSERT_FALSE(warnings.empty());
  EXPECT_THAT(warnings[0],
              AllOf(StartsWith("model1 seems better than the baseline model0"),
                    HasSubstr("no difference")));
}

}  // namespace
}  // namespace ram
