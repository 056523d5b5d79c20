#include "ram/xray/compare_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ram {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Comparison OneChange() {
  Comparison comparison;
  comparison.base = "base";
  comparison.tuned = "tuned";
  MatrixChange& change = comparison.matrices.emplace_back();
  change.name = change.base_name = "model.layers.0.self_attn.q_proj.weight";
  change.role = "q_proj";
  change.layer = 0;
  change.kind = ChangeKind::kLowRank;
  change.detail = "rank 4";
  change.rank = 4;
  change.sums.weights = 100;
  change.sums.changed = 60;
  change.sums.base_squares = 4;
  change.sums.tuned_squares = 4;
  change.sums.products = 4;
  change.sums.change_squares = 0.04;
  change.alignment = ChangeAlignment{3, 2, 0.75, 0.1, 0.05};
  return comparison;
}

TEST(ComparePageTest, ShowsWordsMapAndMatrices) {
  const std::string html = ComparisonToHtml(OneChange());
  EXPECT_THAT(html, HasSubstr("1 of 1 matrix changed."));
  EXPECT_THAT(html, HasSubstr("got a low-rank update (rank 4)"));
  EXPECT_THAT(html, HasSubstr("low rank: rank 4"));
  // sqrt(0.04 / 4)
  EXPECT_THAT(html, HasSubstr("relative change"));
  EXPECT_THAT(html, HasSubstr("\"values\":[10.0]"));
  EXPECT_THAT(html, HasSubstr("the change amplifies what the original does"));
  EXPECT_THAT(html, HasSubstr("\"values\":[0.75]"));
}

TEST(ComparePageTest, EscapesWhatComesFromFiles) {
  Comparison comparison = OneChange();
  comparison.config.push_back({"<script>alert(1)</script>", "1", "2"});
  comparison.matrices[0].name = "</script><script>alert(2)</script>";
  const std::string html = ComparisonToHtml(comparison);
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
}

}  // namespace
}  // namespace ram
