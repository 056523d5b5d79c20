#include "ram/evaluation/kept_scores.h"

#include <gtest/gtest.h>

#include <fstream>

#include "ram/base/file.h"
#include "ram/base/temporary_directory.h"
#include "ram/evaluation/test_golden.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

class KeptScoresTest : public testing::Test {
 protected:
  KeptScoresTest() {
    for (const char* name : {"a", "b"}) {
      fs::create_directory(directory_ / name);
      for (const char* file : {"config.json", "model.safetensors"}) {
        fs::copy_file(Golden("llama") / file, directory_ / name / file);
      }
    }
    segments_ = {{{1, 2, 3}, -1, 1}, {{4, 5}, -1, 1}};
    scores_.tokens = {{-1.5f, true}, {-0.25f, false}, {-7.0f, false}};
    scores_.comparisons = {{0.5f, false}, {0.0f, true}, {2.0f, false}};
    scores_.seconds = 12.5;
  }

  Checkpoint Open(const std::string& name) const {
    return Checkpoint::Open(directory_ / name);
  }
  KeptScores Kept(const Checkpoint* baseline,
                  ComputeType compute = ComputeType::kF32) const {
    return {directory_ / "kept", segments_, compute, baseline};
  }
  // The one file in the folder.
  fs::path KeptFile() const {
    return fs::directory_iterator(directory_ / "kept")->path();
  }

  TemporaryDirectory directory_;
  std::vector<Segment> segments_;
  ModelScores scores_;
};

TEST_F(KeptScoresTest, FindsWhatItKept) {
  const Checkpoint a = Open("a"), b = Open("b");
  Kept(&a).Keep(b, scores_);
  const auto found = Kept(&a).Find(b);
  ASSERT_TRUE(found.has_value());
  EXPECT_EQ(found->seconds, 12.5);
  ASSERT_EQ(found->tokens.size(), 3u);
  ASSERT_EQ(found->comparisons.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(found->tokens[i].log_prob, scores_.tokens[i].log_prob);
    EXPECT_EQ(found->tokens[i].top, scores_.tokens[i].top);
    EXPECT_EQ(found->comparisons[i].kl, scores_.comparisons[i].kl);
    EXPECT_EQ(found->comparisons[i].same_top, scores_.comparisons[i].same_top);
  }
}

TEST_F(KeptScoresTest, FindsNothingOfAnotherRun) {
  const Checkpoint a = Open("a"), b = Open("b");
  EXPECT_FALSE(Kept(&a).Find(b).has_value());  // no folder yet
  Kept(&a).Keep(b, scores_);
  EXPECT_FALSE(Kept(&a).Find(a).has_value());
  EXPECT_FALSE(Kept(&b).Find(b).has_value());
  EXPECT_FALSE(Kept(nullptr).Find(b).has_value());
  EXPECT_FALSE(Kept(&a, ComputeType::kBF16).Find(b).has_value());
  segments_[1].tokens[1] = 6;
  EXPECT_FALSE(Kept(&a).Find(b).has_value());
  segments_[1].tokens[1] = 5;
  segments_[0].first_scored = 2;
  EXPECT_FALSE(Kept(&a).Find(b).has_value());
}

TEST_F(KeptScoresTest, FindsNothingOfAModelThatChanged) {
  {
    const Checkpoint a = Open("a");
    Kept(nullptr).Keep(a, scores_);
  }
  const fs::path weights = directory_ / "a" / "model.safetensors";
  fs::last_write_time(weights,
                      fs::last_write_time(weights) + std::chrono::seconds(1));
  EXPECT_FALSE(Kept(nullptr).Find(Open("a")).has_value());
}

TEST_F(KeptScoresTest, FindsNothingInADamagedFile) {
  const Checkpoint a = Open("a");
  Kept(nullptr).Keep(a, scores_);
  const fs::path file = KeptFile();
  const std::string whole = ReadTextFile(file);
  for (size_t length = 0; length < whole.size(); ++length) {
    fs::resize_file(file, length);
    EXPECT_FALSE(Kept(nullptr).Find(a).has_value()) << length;
    std::ofstream(file, std::ios::binary) << whole;
  }
  std::ofstream(file, std::ios::app) << "x";
  EXPECT_FALSE(Kept(nullptr).Find(a).has_value());
}

TEST_F(KeptScoresTest, ReplacesAndDiscards) {
  const Checkpoint a = Open("a");
  Kept(nullptr).Keep(a, scores_);
  scores_.tokens[2].log_prob = -3;
  Kept(nullptr).Keep(a, scores_);
  EXPECT_EQ(Kept(nullptr).Find(a)->tokens[2].log_prob, -3);
  const Checkpoint* const models[] = {&a};
  Kept(nullptr).Discard(models);
  EXPECT_FALSE(fs::exists(directory_ / "kept"));
}

}  // namespace
}  // namespace ram
