#include "ram/evaluation/windows.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>
#include <set>
#include <vector>

#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

using ::testing::ElementsAre;

std::vector<int32_t> Text(int tokens) {
  std::vector<int32_t> text(static_cast<size_t>(tokens));
  std::iota(text.begin(), text.end(), 100);
  return text;
}

TEST(WindowsTest, CutsWithoutOverlapAndDropsTheTail) {
  const TextWindows windows = CutWindows(Text(11), {}, {.window = 4}, "a.txt");
  EXPECT_EQ(windows.available, 2u);
  ASSERT_EQ(windows.segments.size(), 2u);
  EXPECT_THAT(windows.segments[0].tokens, ElementsAre(100, 101, 102, 103));
  EXPECT_THAT(windows.segments[1].tokens, ElementsAre(104, 105, 106, 107));
}

TEST(WindowsTest, EveryWindowHasOneTargetLessThanTokensWhateverThePrefix) {
  const std::vector<int32_t> prefix = {1, 2};
  for (const auto mode :
       {PrefixTokens::kAll, PrefixTokens::kFirst, PrefixTokens::kNone}) {
    const TextWindows windows =
        CutWindows(Text(11), prefix, {.window = 4, .prefix = mode}, "a.txt");
    EXPECT_EQ(ScoredTokens(windows.segments), 2u * 3u);
  }
}

TEST(WindowsTest, PrefixIsAddedToAllFirstOrNoWindow) {
  const std::vector<int32_t> prefix = {1, 2};
  const auto starts = [&](PrefixTokens mode) {
    std::vector<int32_t> tokens;
    for (const Segment& segment :
         CutWindows(Text(11), prefix, {.window = 4, .prefix = mode}, "a.txt")
             .segments) {
      tokens.push_back(segment.tokens.front());
    }
    return tokens;
  };
  EXPECT_THAT(starts(PrefixTokens::kAll), ElementsAre(1, 1));
  EXPECT_THAT(starts(PrefixTokens::kFirst), ElementsAre(1, 104));
  EXPECT_THAT(starts(PrefixTokens::kNone), ElementsAre(100, 104));
}

TEST(WindowsTest, FirstMeansTheStartOfTheTextNotTheFirstDrawn) {
  const std::vector<int32_t> prefix = {1};
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const TextWindows windows = CutWindows(Text(400), prefix,
                                           {.window = 4,
                                            .windows = 5,
                                            .seed = seed,
                                            .prefix = PrefixTokens::kFirst},
                                           "a.txt");
    for (size_t i = 0; i < windows.chosen.size(); ++i) {
      EXPECT_EQ(windows.segments[i].tokens.front() == 1,
                windows.chosen[i] == 0);
    }
  }
}

TEST(WindowsTest, DrawsWithoutRepetitionInOrderAndRepeatably) {
  const std::vector<uint64_t> drawn = DrawWindows(1000, 100, 42);
  EXPECT_EQ(std::set<uint64_t>(drawn.begin(), drawn.end()).size(), 100u);
  EXPECT_TRUE(std::is_sorted(drawn.begin(), drawn.end()));
  EXPECT_LT(drawn.back(), 1000u);
  EXPECT_EQ(drawn, DrawWindows(1000, 100, 42));
  EXPECT_NE(drawn, DrawWindows(1000, 100, 43));
}

TEST(WindowsTest, TakesAllWindowsWhenThereAreFewer) {
  EXPECT_THAT(DrawWindows(3, 256, 42), ElementsAre(0, 1, 2));
}

TEST(WindowsTest, TextShorterThanAWindowIsAnError) {
  EXPECT_EQ(
      ErrorMessage([] { CutWindows(Text(11), {}, {.window = 12}, "a.txt"); }),
      "a.txt: text: found 11 tokens, expected at least 12 for one window "
      "(a longer text or a smaller --window)");
}

TEST(WindowsTest, WindowsWithoutTargetsAreAnError) {
  EXPECT_EQ(ErrorMessage([] { CutWindows(Text(9), {}, {.window = 1}, "a"); }),
            "--window: found 1, expected at least 2");
}

}  // namespace
}  // namespace ram
