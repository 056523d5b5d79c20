#include "ram/evaluation/segment_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ram {
namespace {

using ::testing::ElementsAre;

Segment Of(size_t tokens, int64_t parent) {
  return {std::vector<int32_t>(tokens, 1), parent, 0};
}

TEST(SegmentPlanTest, FillsItemsWithWholeTexts) {
  const std::vector<Segment> segments = {Of(4, -1), Of(4, -1), Of(4, -1)};
  const SegmentPlan plan = PlanSegments(segments, 8);
  ASSERT_EQ(plan.stages.size(), 1u);
  ASSERT_EQ(plan.stages[0].size(), 2u);
  EXPECT_THAT(plan.stages[0][0].segments, ElementsAre(0, 1));
  EXPECT_THAT(plan.stages[0][1].segments, ElementsAre(2));
  EXPECT_THAT(plan.first_row, ElementsAre(0, 4, 8));
  EXPECT_EQ(plan.rows, 12u);
}

TEST(SegmentPlanTest, KeepsWhatLaterItemsContinue) {
  // A long beginning with two questions of two answers each.
  const std::vector<Segment> segments = {Of(100, -1), Of(5, 0), Of(2, 1),
                                         Of(3, 1),    Of(6, 0), Of(2, 4)};
  const SegmentPlan plan = PlanSegments(segments, 10);
  ASSERT_EQ(plan.stages.size(), 2u);
  EXPECT_THAT(plan.stages[0][0].segments, ElementsAre(0));
  ASSERT_EQ(plan.stages[1].size(), 2u);
  EXPECT_THAT(plan.stages[1][0].segments, ElementsAre(1, 2, 3));
  EXPECT_THAT(plan.stages[1][1].segments, ElementsAre(4, 5));
  EXPECT_THAT(plan.kept, ElementsAre(true, false, false, false, false, false));
  EXPECT_THAT(plan.position, ElementsAre(0, 100, 105, 105, 100, 106));
  EXPECT_EQ(plan.positions, 108u);
}

// So that of thousands of long beginnings none has to be kept.
TEST(SegmentPlanTest, RunsALongBeginningWithTheLittleThatFollows) {
  const std::vector<Segment> segments = {Of(100, -1), Of(5, 0), Of(5, 0),
                                         Of(100, -1), Of(5, 3)};
  const SegmentPlan plan = PlanSegments(segments, 10);
  ASSERT_EQ(plan.stages.size(), 1u);
  ASSERT_EQ(plan.stages[0].size(), 2u);
  EXPECT_THAT(plan.stages[0][0].segments, ElementsAre(0, 1, 2));
  EXPECT_THAT(plan.stages[0][1].segments, ElementsAre(3, 4));
  EXPECT_EQ(plan.stages[0][1].first_row, 110u);
}

TEST(SegmentPlanTest, FindsTheSegmentOfARow) {
  const std::vector<Segment> segments = {Of(4, -1), Of(3, -1)};
  const SegmentPlan plan = PlanSegments(segments, 100);
  EXPECT_EQ(plan.SegmentOf(3, segments), 0u);
  EXPECT_EQ(plan.SegmentOf(4, segments), 1u);
}

}  // namespace
}  // namespace ram
