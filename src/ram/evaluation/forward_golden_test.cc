// Every family against huggingface transformers, on the tiny models of
// tests/data/forward (tests/peers/make_forward_golden.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "ram/base/json.h"
#include "ram/evaluation/score.h"

namespace ram {
namespace {

std::filesystem::path Directory() {
  return std::filesystem::path(RAM_SOURCE_DIR) / "tests" / "data" / "forward";
}

std::vector<std::string> Names() {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator(Directory())) {
    names.push_back(entry.path().filename().string());
  }
  std::sort(names.begin(), names.end());
  return names;
}

std::string TestName(const ::testing::TestParamInfo<std::string>& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
}

class ForwardGoldenTest : public ::testing::TestWithParam<std::string> {
 protected:
  ForwardGoldenTest()
      : checkpoint_(Checkpoint::Open(Directory() / GetParam())),
        golden_(ReadJsonFile(Directory() / GetParam() / "golden.json")),
        tokens_(golden_["tokens"].get<std::vector<int32_t>>()) {
    options_.compute = ComputeType::kF32;
    options_.threads = 2;
  }

  std::vector<TokenScore> Score(const std::vector<Segment>& segments) {
    const Checkpoint* const models[] = {&checkpoint_};
    return ScoreSegments(models, segments, options_)[0].tokens;
  }

  // Float32 sums in another order. A probability near one is a difference of
  // logits, so it is no more exact than they are.
  static void ExpectNear(const std::vector<TokenScore>& found,
                         const Json& expected) {
    ASSERT_EQ(found.size(), expected.size());
    for (size_t i = 0; i < found.size(); ++i) {
      const float value = expected[i].get<float>();
      EXPECT_NEAR(found[i].log_prob, value,
                  1e-4f * std::max(std::abs(value), 1.0f))
          << i;
    }
  }

  Checkpoint checkpoint_;
  Json golden_;
  std::vector<int32_t> tokens_;
  ScoreOptions options_;
};

TEST_P(ForwardGoldenTest, GivesTheTextTheSameProbabilities) {
  ExpectNear(Score({{tokens_, -1, 0}}), golden_["log_probs"]);
}

// Every token of the vocabulary as a text of its own after the common one.
TEST_P(ForwardGoldenTest, GivesEveryNextTokenTheSameProbability) {
  std::vector<Segment> segments = {
      {tokens_, -1, static_cast<uint32_t>(tokens_.size())}};
  const auto vocabulary =
      static_cast<int32_t>(golden_["next_log_probs"].size());
  for (int32_t token = 0; token < vocabulary; ++token) {
    segments.push_back({{token}, 0, 0});
  }
  ExpectNear(Score(segments), golden_["next_log_probs"]);
}

// The text in pieces, each the parent of the next, gives what it gives whole.
TEST_P(ForwardGoldenTest, ContinuesSegments) {
  std::vector<Segment> segments;
  size_t done = 0;
  for (const size_t size : {7u, 1u, 20u, 28u}) {
    Segment segment;
    segment.tokens.assign(
        tokens_.begin() + static_cast<std::ptrdiff_t>(done),
        tokens_.begin() + static_cast<std::ptrdiff_t>(done + size));
    segment.parent = static_cast<int64_t>(segments.size()) - 1;
    segments.push_back(segment);
    done += size;
  }
  ASSERT_EQ(done, tokens_.size());
  ExpectNear(Score(segments), golden_["log_probs"]);
}

INSTANTIATE_TEST_SUITE_P(Models, ForwardGoldenTest,
                         ::testing::ValuesIn(Names()), TestName);

}  // namespace
}  // namespace ram
