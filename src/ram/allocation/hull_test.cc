#include "ram/allocation/hull.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/allocation/glob.h"

namespace ram {
namespace {

using testing::ElementsAre;

Candidate At(uint64_t bytes, double loss) {
  return {Affine(4, 64), bytes, 0, loss};
}

std::vector<uint64_t> BytesOf(const std::vector<Candidate>& hull) {
  std::vector<uint64_t> bytes;
  for (const Candidate& candidate : hull) bytes.push_back(candidate.bytes);
  return bytes;
}

TEST(LowerHullTest, LeavesOutWhatLiesAboveALine) {
  EXPECT_THAT(BytesOf(LowerHull({At(30, 1), At(10, 9), At(20, 6), At(40, 0)})),
              ElementsAre(10, 30, 40));
}
TEST(LowerHullTest, LeavesOutWhatCostsMoreAndLosesMore) {
  EXPECT_THAT(BytesOf(LowerHull({At(10, 5), At(20, 5), At(30, 7)})),
              ElementsAre(10));
}
TEST(LowerHullTest, KeepsTheBetterOfTwoOfOneSize) {
  const auto hull = LowerHull({At(10, 5), At(10, 3)});
  ASSERT_EQ(hull.size(), 1u);
  EXPECT_EQ(hull[0].loss, 3);
}

TEST(SpendBytesTest, BuysWhatSavesMostPerByte) {
  const std::vector<std::vector<Candidate>> hulls = {{At(10, 10), At(20, 8)},
                                                     {At(10, 10), At(20, 1)}};
  EXPECT_THAT(SpendBytes(hulls, StepsByPrice(hulls), 30), ElementsAre(0, 1));
}
TEST(SpendBytesTest, FillsTheRestWithWhatFits) {
  const std::vector<std::vector<Candidate>> hulls = {{At(10, 90), At(60, 0)},
                                                     {At(10, 10), At(20, 8)}};
  EXPECT_THAT(SpendBytes(hulls, StepsByPrice(hulls), 40), ElementsAre(0, 1));
}

TEST(GlobTest, MatchesStarsAndQuestionMarks) {
  EXPECT_TRUE(GlobMatches("*.down_proj", "model.layers.0.mlp.down_proj"));
  EXPECT_TRUE(GlobMatches("model.layers.?.*", "model.layers.3.mlp.up_proj"));
  EXPECT_TRUE(GlobMatches("*a*b*", "xaxxbx"));
  EXPECT_TRUE(GlobMatches("lm_head", "lm_head"));
  EXPECT_FALSE(GlobMatches("lm_head", "lm_head.x"));
  EXPECT_FALSE(GlobMatches("model.layers.?.*", "model.layers.13.mlp"));
  EXPECT_FALSE(GlobMatches("", "a"));
}

}  // namespace
}  // namespace ram
