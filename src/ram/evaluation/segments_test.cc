#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/base/error.h"
#include "ram/evaluation/score.h"

namespace ram {
namespace {

std::string Complaint(const std::vector<Segment>& segments) {
  try {
    CheckSegments(segments, 10);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    return error.what();
  }
  return "";
}

TEST(SegmentsTest, CountsNoFirstTokenWithoutAParent) {
  const std::vector<Segment> segments = {
      {{1, 2, 3}, -1, 0}, {{4, 5}, 0, 0}, {{6, 7}, 0, 1}, {{8}, -1, 1}};
  EXPECT_EQ(ScoredTokens(segments), 2u + 2u + 1u);
}

TEST(SegmentsTest, AcceptsAForest) {
  EXPECT_EQ(Complaint({{{1, 2}, -1, 0}, {{9}, 0, 0}, {{0}, 1, 0}}), "");
}

TEST(SegmentsTest, RefusesWhatIsNoForest) {
  EXPECT_EQ(Complaint({{{}, -1, 0}}),
            "segment 0: found no tokens, expected one or more");
  EXPECT_EQ(Complaint({{{1}, 0, 0}}),
            "segment 0: found parent 0, expected an earlier segment or -1");
  EXPECT_EQ(Complaint({{{1}, -1, 2}}),
            "segment 0: found first_scored 2, expected at most 1");
  EXPECT_EQ(Complaint({{{1, 10}, -1, 0}}),
            "segment 0: found token 10, expected less than the 10 rows of the "
            "embedding");
}

}  // namespace
}  // namespace ram
