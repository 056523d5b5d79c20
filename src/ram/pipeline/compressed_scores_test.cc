// Compressed models are evaluated like their sources: what was left at 16 bits
// scores the same, to the bit, whatever the target made of names and stacks.
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ram/base/temporary_directory.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/evaluation/score.h"
#include "ram/export/test_checkpoint.h"
#include "ram/pipeline/compress_job.h"

namespace ram {
namespace {

// Tiny checkpoints of every family that can be evaluated, in BF16.
std::filesystem::path Tiny(const std::string& name) {
  return std::filesystem::path(RAM_SOURCE_DIR) / "tests/data/forward" / name;
}

std::vector<Segment> Texts() {
  std::vector<Segment> segments(3);
  for (size_t i = 0; i < segments.size(); ++i) {
    for (size_t j = 0; j < 24 + i; ++j) {
      segments[i].tokens.push_back(static_cast<int32_t>((7 * i + j * j) % 96));
    }
  }
  return segments;
}

void CompressTo(const std::filesystem::path& source,
                const std::filesystem::path& out, const std::string& target,
                int bits) {
  CompressOptions options;
  options.target = target;
  options.allocate.policy = Policy::kUniform;
  options.allocate.bits = bits == 16 ? 8 : bits;
  options.allocate.group_size = 32;
  if (bits == 16) options.allocate.overrides = {ParseOverride("*=16")};
  RunCompress(source, out, options, NoProgress());
}

std::vector<ModelScores> Scores(const Checkpoint& source,
                                const Checkpoint& output) {
  const Checkpoint* const models[] = {&source, &output};
  ScoreOptions options;
  options.compute = ComputeType::kF32;
  return ScoreSegments(models, Texts(), options);
}

class CompressedScoresTest : public testing::TestWithParam<const char*> {};

TEST_P(CompressedScoresTest, EqualTheSourcesAt16Bits) {
  const Checkpoint source = Checkpoint::Open(Tiny(GetParam()));
  for (const char* target : {"mlx", "native", "vllm"}) {
    SCOPED_TRACE(target);
    const TemporaryDirectory directory;
    CompressTo(source.path(), directory / "out", target, 16);
    const auto scores = Scores(source, Checkpoint::Open(directory / "out"));
    ASSERT_FALSE(scores[0].tokens.empty());
    for (size_t i = 0; i < scores[0].tokens.size(); ++i) {
      ASSERT_EQ(scores[1].tokens[i].log_prob, scores[0].tokens[i].log_prob);
      ASSERT_EQ(scores[1].comparisons[i].kl, 0.0F);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Families, CompressedScoresTest,
                         testing::Values("llama", "llama-tied-biased",
                                         "mistral-window", "qwen2", "qwen3",
                                         "qwen3-moe", "mixtral", "phi3", "glm4",
                                         "glm4-moe", "glm4-moe-lite",
                                         "deepseek-v3", "gemma3"));

// The squared error of 8 bits is that of 2 bits over 85 squared (steps of 1/255
// and 1/3 of a group's range), and the divergence grows with it.
TEST(CompressedScoresTest, GrowApartWithFewerBits) {
  const TemporaryDirectory directory;
  WriteTestModel(MixtureTestModel(), directory);
  const Checkpoint source = Checkpoint::Open(directory.path());
  for (const char* target : {"mlx", "native"}) {
    SCOPED_TRACE(target);
    const auto mean_kl = [&](int bits) {
      const auto out = directory / fmt::format("{}-{}", target, bits);
      CompressTo(source.path(), out, target, bits);
      const auto scores = Scores(source, Checkpoint::Open(out));
      double sum = 0;
      for (const TokenComparison& token : scores[1].comparisons) {
        sum += static_cast<double>(token.kl);
      }
      return sum / static_cast<double>(scores[1].comparisons.size());
    };
    const double fine = mean_kl(8);
    const double coarse = mean_kl(2);
    EXPECT_GT(fine, 0);
    EXPECT_LT(fine, 0.01 * coarse);
  }
}

}  // namespace
}  // namespace ram
