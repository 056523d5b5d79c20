#include "ram/analysis/analysis_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ram {
namespace {

using ::testing::ElementsAre;

Model SixMatrices() {
  Model model;
  model.tensors = {{"t", "f", DType::kBF16, {96, 10}, 0}};
  const auto add = [&](const char* role, int layer, int expert) {
    Matrix matrix;
    matrix.role = role;
    matrix.layer = layer;
    matrix.expert = expert;
    matrix.rows = 16;
    matrix.cols = 10;
    model.matrices.push_back(matrix);
  };
  add("gate_proj", 0, 0);
  add("down_proj", 0, 0);
  add("gate_proj", 0, 1);
  add("down_proj", 0, 1);
  add("gate_proj", 1, 0);
  add("lm_head", -1, -1);
  return model;
}

std::vector<uint32_t> Ends(const std::vector<AnalysisWindow>& windows) {
  std::vector<uint32_t> ends;
  for (const AnalysisWindow& window : windows) ends.push_back(window.end);
  return ends;
}

TEST(AnalysisWindowTest, GroupsTheExpertsOfAProjection) {
  EXPECT_THAT(SearchGroups(SixMatrices()), ElementsAre(0, 1, 0, 1, 2, 3));
}

TEST(AnalysisWindowTest, EndsWhenItHasItsBytes) {
  // 320 bytes each.
  EXPECT_THAT(Ends(AnalysisWindows(SixMatrices(), {}, 640)),
              ElementsAre(2, 4, 6));
  EXPECT_THAT(Ends(AnalysisWindows(SixMatrices(), {}, 641)), ElementsAre(3, 6));
  EXPECT_THAT(Ends(AnalysisWindows(SixMatrices(), {}, 1)),
              ElementsAre(1, 2, 3, 4, 5, 6));
}

TEST(AnalysisWindowTest, DividesNoGroup) {
  const Model model = SixMatrices();
  EXPECT_THAT(Ends(AnalysisWindows(model, SearchGroups(model), 1)),
              ElementsAre(4, 5, 6));
}

TEST(AnalysisWindowTest, IsNoneForNoMatrices) {
  EXPECT_TRUE(AnalysisWindows(Model(), {}, 1).empty());
}

}  // namespace
}  // namespace ram
