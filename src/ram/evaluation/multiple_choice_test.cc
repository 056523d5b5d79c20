#include "ram/evaluation/multiple_choice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

using ::testing::ElementsAre;

// A tokenizer of single characters, but ": " is one token, 1.
std::vector<int32_t> Encode(std::string_view text) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text.substr(i, 2) == ": ") {
      tokens.push_back(1);
      ++i;
    } else {
      tokens.push_back(text[i]);
    }
  }
  return tokens;
}

TEST(EncodeChoicesTest, SplitsBehindThePromptsTokens) {
  const std::vector<std::string> choices = {"x", "yz"};
  const EncodedChoices encoded = EncodeChoices(Encode, "ab", choices, "t");
  EXPECT_THAT(encoded.context, ElementsAre('a', 'b'));
  EXPECT_THAT(encoded.continuations[0], ElementsAre(' ', 'x'));
  EXPECT_THAT(encoded.continuations[1], ElementsAre(' ', 'y', 'z'));
}

TEST(EncodeChoicesTest, MovesTrailingSpacesToTheChoice) {
  const std::vector<std::string> choices = {"x"};
  const EncodedChoices encoded = EncodeChoices(Encode, "ab ", choices, "t");
  EXPECT_THAT(encoded.context, ElementsAre('a', 'b'));
  EXPECT_THAT(encoded.continuations[0], ElementsAre(' ', ' ', 'x'));
}

// "a:" is two tokens and "a: x" three, the second of which straddles: the
// harness scores what is behind the first two, after "a" and ":".
TEST(EncodeChoicesTest, KeepsThePromptsTokensWhereOneStraddles) {
  const std::vector<std::string> choices = {"x"};
  const EncodedChoices encoded = EncodeChoices(Encode, "a:", choices, "t");
  EXPECT_THAT(encoded.context, ElementsAre('a', ':'));
  EXPECT_THAT(encoded.continuations[0], ElementsAre('x'));
}

TEST(EncodeChoicesTest, AChoiceWithoutTokensIsAnError) {
  const EncodeText swallow = [](std::string_view) {
    return std::vector<int32_t>{7};
  };
  const std::vector<std::string> choices = {"x"};
  EXPECT_EQ(
      ErrorMessage([&] { EncodeChoices(swallow, "a", choices, "d line 3"); }),
      "d line 3: choice \"x\": found no token of its own after the prompt's 1, "
      "expected one or more");
}

// Parents first, then own tokens.
std::vector<int32_t> Path(const ChoiceForest& forest, size_t segment) {
  std::vector<int32_t> tokens;
  if (forest.segments[segment].parent >= 0) {
    tokens = Path(forest, static_cast<size_t>(forest.segments[segment].parent));
  }
  const auto& own = forest.segments[segment].tokens;
  tokens.insert(tokens.end(), own.begin(), own.end());
  return tokens;
}

const std::vector<EncodedChoices> kItems = {
    {{1, 2, 3, 4}, {{10}, {11, 12}}},
    {{1, 2, 3, 5}, {{13}, {14}, {15}}},
};

TEST(PlantChoicesTest, EveryLeafContinuesItsPromptAndIsScoredAlone) {
  const ChoiceForest forest = PlantChoices(kItems, 0);
  EXPECT_THAT(forest.first_leaf, ElementsAre(0, 2, 5));
  size_t leaf = 0;
  for (const EncodedChoices& item : kItems) {
    for (const auto& choice : item.continuations) {
      std::vector<int32_t> expected = item.context;
      expected.insert(expected.end(), choice.begin(), choice.end());
      EXPECT_EQ(Path(forest, forest.leaves[leaf]), expected);
      EXPECT_EQ(ScoredTokens({&forest.segments[forest.leaves[leaf]], 1}),
                choice.size());
      ++leaf;
    }
  }
  EXPECT_EQ(ScoredTokens(forest.segments), 6u);
  EXPECT_NO_THROW(CheckSegments(forest.segments, 100));
}

TEST(PlantChoicesTest, ComputesCommonTokensOnce) {
  const ChoiceForest forest = PlantChoices(kItems, 0);
  EXPECT_EQ(forest.computed_tokens, 3u + 2u + 6u);
  EXPECT_EQ(forest.prompt_tokens, 5u + 6u + 3u * 5u);
  EXPECT_EQ(forest.truncated, 0u);
}

TEST(PlantChoicesTest, PromptsWithoutACommonStartShareNothing) {
  const std::vector<EncodedChoices> items = {{{1, 2}, {{3}, {4}}},
                                             {{5, 2}, {{3}, {4}}}};
  const ChoiceForest forest = PlantChoices(items, 0);
  EXPECT_EQ(forest.computed_tokens, 8u);
  EXPECT_EQ(Path(forest, forest.leaves[3]), (std::vector<int32_t>{5, 2, 4}));
}

TEST(PlantChoicesTest, AnItemThatIsAllCommonKeepsATokenOfItsOwn) {
  const std::vector<EncodedChoices> items = {{{1, 2}, {{3}, {4}}},
                                             {{1, 2, 5}, {{3}, {4}}}};
  const ChoiceForest forest = PlantChoices(items, 0);
  EXPECT_NO_THROW(CheckSegments(forest.segments, 100));
  EXPECT_EQ(Path(forest, forest.leaves[0]), (std::vector<int32_t>{1, 2, 3}));
}

// The harness keeps the last context + 1 tokens: the last one is only a target.
TEST(PlantChoicesTest, CutsLongPromptsFromTheLeft) {
  const std::vector<EncodedChoices> items = {{{1, 2, 3, 4}, {{10}, {11, 12}}}};
  const ChoiceForest forest = PlantChoices(items, 4);
  EXPECT_EQ(forest.truncated, 1u);
  EXPECT_EQ(Path(forest, forest.leaves[0]),
            (std::vector<int32_t>{1, 2, 3, 4, 10}));
  EXPECT_EQ(Path(forest, forest.leaves[1]),
            (std::vector<int32_t>{2, 3, 4, 11, 12}));
  EXPECT_EQ(ScoredTokens({&forest.segments[forest.leaves[1]], 1}), 2u);
}

TEST(PlantChoicesTest, AChoiceLongerThanTheContextIsAnError) {
  const std::vector<EncodedChoices> items = {{{1, 2}, {{3, 4, 5}, {6}}}};
  EXPECT_EQ(ErrorMessage([&] { PlantChoices(items, 2); }),
            "choice: found 3 tokens, expected at most the 2 of the model's "
            "context");
}

std::vector<ChoiceItem> Items(const std::vector<size_t>& answers) {
  std::vector<ChoiceItem> items;
  for (const size_t answer : answers) {
    items.push_back({"", "q", {"naïve", "ab"}, answer});
  }
  return items;
}

ChoiceResult Judge(const std::vector<size_t>& answers, float first,
                   float second) {
  std::vector<EncodedChoices> encoded(answers.size(), {{1, 2}, {{3}, {4}}});
  ModelScores scores;
  for (size_t i = 0; i < answers.size(); ++i) {
    scores.tokens.push_back({first, false});
    scores.tokens.push_back({second, false});
  }
  return JudgeChoices(Items(answers), PlantChoices(encoded, 0), scores);
}

TEST(JudgeChoicesTest, NormDividesByCharactersWithoutTheLeadingSpace) {
  // -4 / 5 characters against -2 / 2.
  const ChoiceResult result = Judge({0}, -4, -2);
  EXPECT_THAT(result.chosen, ElementsAre(1));
  EXPECT_THAT(result.chosen_norm, ElementsAre(0));
  // -5.5 / 5 is below -2 / 2; with six bytes it would be above.
  EXPECT_THAT(Judge({0}, -5.5, -2).chosen_norm, ElementsAre(1));
}

TEST(JudgeChoicesTest, FirstOfEqualChoicesWinsAsInNumpy) {
  EXPECT_THAT(Judge({0}, -2, -2).chosen, ElementsAre(0));
}

// lm-evaluation-harness's mean_stderr: sample sd / sqrt(n); here of 1, 0, 0,
// 0: sd 0.5.
TEST(JudgeChoicesTest, StandardErrorIsOfTheSample) {
  const ChoiceResult result = Judge({1, 0, 0, 0}, -4, -2);
  EXPECT_EQ(result.acc.value, 0.25);
  EXPECT_NEAR(result.acc.standard_error, 0.25, 1e-12);
  EXPECT_EQ(result.acc_norm.value, 0.75);
}

TEST(CompareChoicesTest, RetentionDifferenceAndTest) {
  const std::vector<uint8_t> baseline = {1, 1, 1, 0}, model = {1, 0, 1, 0};
  const ChoiceComparison comparison = CompareChoices(baseline, model);
  EXPECT_NEAR(comparison.retention, 2.0 / 3, 1e-12);
  EXPECT_EQ(comparison.difference.value, -0.25);
  EXPECT_EQ(comparison.paired.p_value, 1);
  EXPECT_FALSE(comparison.differs());
}

}  // namespace
}  // namespace ram
