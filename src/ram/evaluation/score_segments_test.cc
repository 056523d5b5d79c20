#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/interrupt.h"
#include "ram/base/json.h"
#include "ram/base/temporary_directory.h"
#include "ram/evaluation/score.h"
#include "ram/evaluation/test_golden.h"

namespace ram {
namespace {

std::vector<ModelScores> Score(std::vector<const Checkpoint*> models,
                               const ScoreOptions& options) {
  return ScoreSegments(models, Texts(), options);
}

ScoreOptions WithThreads(int threads) {
  ScoreOptions options;
  options.threads = threads;
  return options;
}

TEST(ScoreSegmentsTest, DoesNotDependOnTheNumberOfThreads) {
  const Checkpoint model = Checkpoint::Open(Golden("qwen3-moe"));
  EXPECT_TRUE(Same(Score({&model}, WithThreads(1))[0],
                   Score({&model}, WithThreads(3))[0]));
}

TEST(ScoreSegmentsTest, SpillsToAFileThatIsGoneAfterwards) {
  const Checkpoint model = Checkpoint::Open(Golden("glm4-moe"));
  const TemporaryDirectory directory;
  ScoreOptions options;
  const ModelScores in_memory = Score({&model}, options)[0];
  options.memory_bytes = 0;
  options.work_directory = directory.path();
  EXPECT_TRUE(Same(Score({&model}, options)[0], in_memory));
  EXPECT_TRUE(std::filesystem::is_empty(directory.path()));
  options.work_directory = directory / "missing";
  EXPECT_NE(
      ErrorMessage([&] { Score({&model}, options); }).find("cannot create"),
      std::string::npos);
}

// Without memory: rows and router choices on disk, experts listed one by one,
// the vocabulary passed for some of the tokens at a time.
TEST(ScoreSegmentsTest, DoesNotDependOnMemory) {
  std::vector<Segment> segments;
  for (int32_t i = 0; i < 200; ++i) {
    Segment segment;
    for (int32_t j = 0; j < 50; ++j) segment.tokens.push_back((i + j * j) % 96);
    segments.push_back(segment);
  }
  const Checkpoint p = Checkpoint::Open(Golden("qwen3-moe"));
  const Checkpoint q = Checkpoint::Open(Golden("qwen3-moe-raw-weights"));
  const Checkpoint* const models[] = {&p, &q};
  ScoreOptions options;
  const auto in_memory = ScoreSegments(models, segments, options);
  options.memory_bytes = 0;
  const auto spilled = ScoreSegments(models, segments, options);
  for (size_t m = 0; m < 2; ++m) EXPECT_TRUE(Same(spilled[m], in_memory[m]));
  ASSERT_EQ(in_memory[1].comparisons.size(), 200u * 49u);
  ASSERT_EQ(spilled[1].comparisons.size(), 200u * 49u);
  for (size_t i = 0; i < 200 * 49; ++i) {
    EXPECT_EQ(spilled[1].comparisons[i].kl, in_memory[1].comparisons[i].kl);
  }
}

TEST(ScoreSegmentsTest, TellsOfEveryModelWhatAllTogetherGet) {
  const Checkpoint a = Checkpoint::Open(Golden("llama"));
  const Checkpoint b = Checkpoint::Open(Golden("mistral-window"));
  const Checkpoint c = Checkpoint::Open(Golden("qwen2"));
  ScoreOptions options;
  const auto together = Score({&a, &b, &c}, options);
  std::vector<size_t> told;
  options.on_model_done = [&](size_t model, const ModelScores& scores) {
    told.push_back(model);
    EXPECT_TRUE(Same(scores, together[model]));
    EXPECT_EQ(scores.comparisons.size(), together[model].comparisons.size());
  };
  const auto one_by_one = Score({&a, &b, &c}, options);
  EXPECT_EQ(told, (std::vector<size_t>{0, 1, 2}));
  for (size_t m = 0; m < 3; ++m) {
    EXPECT_TRUE(Same(one_by_one[m], together[m]));
  }
  options.compare = false;
  options.on_model_done = [](size_t, const ModelScores&) {};
  EXPECT_TRUE(Same(Score({&a, &b, &c}, options)[2], together[2]));
}

TEST(ScoreSegmentsTest, FindsNoDistanceFromItself) {
  const Checkpoint model = Checkpoint::Open(Golden("llama"));
  const auto scores = Score({&model, &model}, {});
  EXPECT_TRUE(scores[0].comparisons.empty());
  ASSERT_EQ(scores[1].comparisons.size(), scores[1].tokens.size());
  for (const TokenComparison& token : scores[1].comparisons) {
    EXPECT_EQ(token.kl, 0.0f);
    EXPECT_TRUE(token.same_top);
  }
}

// Against the definition, from the probabilities of every next token.
TEST(ScoreSegmentsTest, MeasuresTheDivergence) {
  const Checkpoint p = Checkpoint::Open(Golden("llama"));
  const Checkpoint q = Checkpoint::Open(Golden("mistral-window"));
  const Json from = ReadJsonFile(Golden("llama") / "golden.json");
  const Json to = ReadJsonFile(Golden("mistral-window") / "golden.json");
  std::vector<Segment> segments(1);
  segments[0].tokens = from["tokens"].get<std::vector<int32_t>>();
  ASSERT_EQ(from["tokens"], to["tokens"]);
  segments[0].first_scored = static_cast<uint32_t>(segments[0].tokens.size());
  segments.push_back({{3}, 0, 0});
  double expected = 0;
  for (size_t i = 0; i < from["next_log_probs"].size(); ++i) {
    const double log_p = from["next_log_probs"][i];
    const double log_q = to["next_log_probs"][i];
    expected += std::exp(log_p) * (log_p - log_q);
  }
  const Checkpoint* const models[] = {&p, &q};
  ScoreOptions options;
  options.compute = ComputeType::kF32;
  const auto scores = ScoreSegments(models, segments, options);
  ASSERT_EQ(scores[1].comparisons.size(), 1u);
  EXPECT_NEAR(scores[1].comparisons[0].kl, expected, 1e-4 * expected);
}

// bf16 keeps 8 bits, and errors grow over a few layers.
TEST(ScoreSegmentsTest, IsCloseInBF16) {
  const Checkpoint model = Checkpoint::Open(Golden("qwen3"));
  ScoreOptions options;
  const ModelScores fast = Score({&model}, options)[0];
  options.compute = ComputeType::kF32;
  const ModelScores exact = Score({&model}, options)[0];
  double sum = 0;
  for (size_t i = 0; i < fast.tokens.size(); ++i) {
    sum += std::abs(fast.tokens[i].log_prob - exact.tokens[i].log_prob);
  }
  EXPECT_LT(sum / static_cast<double>(fast.tokens.size()), 0.1);
}

TEST(ScoreSegmentsTest, NamesLayerAndSegmentOfNaN) {
  // A bias of -nan in layer 1: every text sees it, the first is named.
  const TemporaryDirectory directory;
  for (const char* name : {"config.json", "model.safetensors"}) {
    std::filesystem::copy_file(Golden("llama-tied-biased") / name,
                               directory / name);
  }
  Checkpoint model = Checkpoint::Open(directory.path());
  uint64_t offset = 0;
  for (const TensorInfo& tensor : model.model().tensors) {
    if (tensor.name == "model.layers.1.mlp.down_proj.bias") {
      offset = tensor.offset;
    }
  }
  ASSERT_NE(offset, 0u);
  {
    std::fstream file(directory / "model.safetensors",
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(offset));
    file.write("\xc0\x7f", 2);
  }
  model = Checkpoint::Open(directory.path());
  ScoreOptions options;
  options.segment_word = "window";
  EXPECT_EQ(ErrorMessage([&] { Score({&model}, options); }),
            directory.path().string() +
                ": found NaN in layer 1 of window 0, expected finite numbers");
}

TEST(ScoreSegmentsTest, StopsWhenInterrupted) {
  const Checkpoint model = Checkpoint::Open(Golden("llama"));
  RequestInterrupt();
  EXPECT_NE(ErrorMessage([&] { Score({&model}, {}); }), "");
  ClearInterrupt();
}

TEST(ScoreSegmentsTest, SaysWhatCanOnlyBeAnalysed) {
  const TemporaryDirectory directory;
  std::filesystem::copy_file(Golden("llama") / "model.safetensors",
                             directory / "model.safetensors");
  directory.Write("config.json", R"({"model_type": "new", "architectures":
      ["NewForCausalLM"], "vocab_size": 96, "tie_word_embeddings": false})");
  const Checkpoint model = Checkpoint::Open(directory.path());
  const std::string message = ErrorMessage([&] { Score({&model}, {}); });
  EXPECT_NE(message.find("found NewForCausalLM (model_type 'new')"),
            std::string::npos)
      << message;
  EXPECT_NE(message.find("can be analysed and compressed, but not evaluated"),
            std::string::npos);
}

}  // namespace
}  // namespace ram
