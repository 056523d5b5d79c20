#include "ram/evaluation/kept_layers.h"

#include <gtest/gtest.h>

#include <fstream>

#include "ram/base/file.h"
#include "ram/base/interrupt.h"
#include "ram/base/temporary_directory.h"
#include "ram/evaluation/test_golden.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

// Asks for an interrupt at the n-th step (a layer, or a part of the head).
class InterruptAt : public Progress {
 public:
  explicit InterruptAt(int step) : left_(step) {}
  void Begin(std::string_view, uint64_t) override {}
  void Advance(uint64_t) override {
    if (--left_ == 0) RequestInterrupt();
  }
  void End() override {}

 private:
  int left_;
};

class KeptLayersTest : public testing::Test {
 protected:
  KeptLayers Kept(bool resume, double seconds = 0) const {
    return {directory_ / "kept", segments_, ComputeType::kF32, seconds, resume};
  }

  ModelScores Score(const Checkpoint& model, KeptLayers* kept,
                    Progress* progress = nullptr) const {
    ScoreOptions options;
    options.compute = ComputeType::kF32;
    options.kept_layers = kept;
    options.progress = progress;
    const Checkpoint* const models[] = {&model};
    return ScoreSegments(models, segments_, options)[0];
  }

  // Runs until an interrupt after `layers` layers.
  std::string Interrupt(const Checkpoint& model, KeptLayers& kept,
                        int layers) const {
    InterruptAt progress(layers + 1);
    std::string message = ErrorMessage([&] { Score(model, &kept, &progress); });
    ClearInterrupt();
    return message;
  }

  fs::path KeptFile() const {
    return fs::directory_iterator(directory_ / "kept")->path();
  }

  TemporaryDirectory directory_;
  std::vector<Segment> segments_ = Texts();
};

TEST_F(KeptLayersTest, GoesOnToTheSameScores) {
  for (const char* name : {"llama", "qwen3-moe", "glm4-moe-lite", "gemma3"}) {
    SCOPED_TRACE(name);
    const Checkpoint model = Checkpoint::Open(Golden(name));
    const ModelScores whole = Score(model, nullptr);
    KeptLayers kept = Kept(false);
    EXPECT_NE(Interrupt(model, kept, 1), "");
    ASSERT_TRUE(kept.last().has_value());
    EXPECT_EQ(kept.last()->layers, 1u);
    KeptLayers again = Kept(true);
    EXPECT_TRUE(Same(Score(model, &again), whole));
    again.Discard(model);
    EXPECT_FALSE(fs::exists(directory_ / "kept"));
  }
}

TEST_F(KeptLayersTest, UsesWhatItKept) {
  const Checkpoint model = Checkpoint::Open(Golden("llama"));
  KeptLayers kept = Kept(false);
  Interrupt(model, kept, 1);
  {
    std::fstream file(KeptFile(),
                      std::ios::in | std::ios::out | std::ios::binary);
    // The last float of the last row but one; nothing follows from the last.
    file.seekp(-4 * (48 + 1), std::ios::end);
    file.write("\0\0\x80\x3f", 4);  // 1.0f
  }
  KeptLayers again = Kept(true);
  EXPECT_FALSE(Same(Score(model, &again), Score(model, nullptr)));
  KeptLayers fresh = Kept(false);
  EXPECT_TRUE(Same(Score(model, &fresh), Score(model, nullptr)));
}

TEST_F(KeptLayersTest, StartsAnewWhereNothingFits) {
  const Checkpoint model = Checkpoint::Open(Golden("llama"));
  const ModelScores whole = Score(model, nullptr);
  KeptLayers kept = Kept(false);
  Interrupt(model, kept, 1);
  fs::resize_file(KeptFile(), fs::file_size(KeptFile()) - 1);
  KeptLayers shorter = Kept(true);
  EXPECT_TRUE(Same(Score(model, &shorter), whole));
  Interrupt(model, kept, 1);
  segments_[4].tokens[3] ^= 1;
  KeptLayers other = Kept(true);
  EXPECT_TRUE(Same(Score(model, &other), Score(model, nullptr)));
}

TEST_F(KeptLayersTest, KeepsTheLastStateWhileTheNextIsWritten) {
  const Checkpoint model = Checkpoint::Open(Golden("llama"));
  KeptLayers kept = Kept(false);
  Interrupt(model, kept, 1);
  const std::string before = ReadTextFile(KeptFile());
  KeptLayers again = Kept(true);
  // Its first step is the layer that was kept, the second asks for the
  // interrupt, and the state after it is not written any more.
  EXPECT_NE(Interrupt(model, again, 1), "");
  EXPECT_EQ(ReadTextFile(KeptFile()), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(directory_ / "kept"), {}), 1);
}

TEST_F(KeptLayersTest, WritesNothingBeforeItsTime) {
  const Checkpoint model = Checkpoint::Open(Golden("llama"));
  KeptLayers kept = Kept(false, 1000);
  EXPECT_NE(Interrupt(model, kept, 1), "");
  EXPECT_FALSE(kept.last().has_value());
  EXPECT_FALSE(fs::exists(directory_ / "kept"));
}

TEST_F(KeptLayersTest, SaysWhyAStateCannotBeWritten) {
  const Checkpoint model = Checkpoint::Open(Golden("llama"));
  directory_.Write("kept", "a file");
  KeptLayers kept = Kept(false);
  EXPECT_NE(ErrorMessage([&] { Score(model, &kept); }).find("cannot create"),
            std::string::npos);
}

}  // namespace
}  // namespace ram
