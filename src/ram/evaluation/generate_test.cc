#include "ram/evaluation/generate.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/evaluation/score.h"

namespace ram {
namespace {

const std::filesystem::path kForward =
    std::filesystem::path(RAM_SOURCE_DIR) / "tests" / "data" / "forward";
const std::filesystem::path kWikiDense =
    std::filesystem::path(RAM_SOURCE_DIR) / "models" / "wiki-dense";

std::vector<int32_t> Tokens(size_t count, int32_t vocabulary) {
  std::vector<int32_t> tokens;
  for (size_t i = 0; i < count; ++i) {
    tokens.push_back(static_cast<int32_t>(7 + i * i) % vocabulary);
  }
  return tokens;
}

std::vector<int32_t> Greedy(const Checkpoint& checkpoint, int threads,
                            const std::vector<int32_t>& prompt,
                            uint64_t count) {
  LanguageModel model(checkpoint, threads, prompt.size() + count);
  GenerateOptions options;
  options.max_tokens = count;
  return Generate(model, prompt, options, [](int32_t) {}).tokens;
}

// The scoring engine, which has no cache and reads everything at once, holds
// each token for the most likely one.
void ExpectMostLikely(const Checkpoint& checkpoint,
                      const std::vector<int32_t>& prompt,
                      const std::vector<int32_t>& written) {
  Segment segment;
  segment.tokens = prompt;
  segment.tokens.insert(segment.tokens.end(), written.begin(), written.end());
  segment.first_scored = static_cast<uint32_t>(prompt.size());
  ScoreOptions options;
  options.compute = ComputeType::kF32;
  const Checkpoint* models[] = {&checkpoint};
  const ModelScores scores = ScoreSegments(models, {&segment, 1}, options)[0];
  ASSERT_EQ(scores.tokens.size(), written.size());
  for (size_t i = 0; i < written.size(); ++i) {
    EXPECT_TRUE(scores.tokens[i].top) << "token " << i;
  }
}

TEST(GenerateTest, WritesWhatScoringHoldsForMostLikely) {
  uint64_t models = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kForward)) {
    if (!entry.is_directory()) continue;
    SCOPED_TRACE(entry.path().filename().string());
    const Checkpoint checkpoint = Checkpoint::Open(entry.path());
    const std::vector<int32_t> prompt = Tokens(9, 90);
    ExpectMostLikely(checkpoint, prompt, Greedy(checkpoint, 2, prompt, 12));
    ++models;
  }
  EXPECT_GE(models, 12u);
}

TEST(GenerateTest, ContinuesLongTexts) {
  const Checkpoint checkpoint = Checkpoint::Open(kWikiDense);
  const std::vector<int32_t> prompt = Tokens(300, 8000);
  ExpectMostLikely(checkpoint, prompt, Greedy(checkpoint, 2, prompt, 40));
}

// From the cache, and with everything read again.
TEST(GenerateTest, WritesTheSameFromScratch) {
  const Checkpoint checkpoint = Checkpoint::Open(kWikiDense);
  std::vector<int32_t> text = Tokens(20, 8000);
  const std::vector<int32_t> written = Greedy(checkpoint, 2, text, 16);
  for (const int32_t token : written) {
    ASSERT_EQ(Greedy(checkpoint, 1, text, 1)[0], token);
    text.push_back(token);
  }
}

TEST(GenerateTest, StopsAtAnEndToken) {
  const Checkpoint checkpoint = Checkpoint::Open(kWikiDense);
  const std::vector<int32_t> prompt = Tokens(20, 8000);
  const std::vector<int32_t> written = Greedy(checkpoint, 2, prompt, 8);
  LanguageModel model(checkpoint, 2, 100);
  GenerateOptions options;
  options.end_tokens = {written[5]};
  const GeneratedText text = Generate(model, prompt, options, [](int32_t) {});
  const auto first = std::find(written.begin(), written.end(), written[5]);
  EXPECT_TRUE(text.ended);
  EXPECT_EQ(text.tokens, std::vector<int32_t>(written.begin(), first));
}

TEST(GenerateTest, SamplesTheSameForTheSameSeedAlone) {
  const Checkpoint checkpoint = Checkpoint::Open(kWikiDense);
  const auto sample = [&](uint64_t seed, int threads) {
    LanguageModel model(checkpoint, threads, 100);
    GenerateOptions options;
    options.sampling.temperature = 1;
    options.max_tokens = 20;
    options.seed = seed;
    return Generate(model, Tokens(5, 8000), options, [](int32_t) {}).tokens;
  };
  EXPECT_EQ(sample(1, 2), sample(1, 1));
  EXPECT_NE(sample(1, 2), sample(2, 2));
}

TEST(GenerateTest, RefusesWhatIsNoToken) {
  const Checkpoint checkpoint = Checkpoint::Open(kForward / "qwen3");
  LanguageModel model(checkpoint, 1, 8);
  TextState state = model.NewText();
  const auto read = [&](const std::vector<int32_t>& tokens) {
    const TextInput input{&state, tokens};
    model.Read({&input, 1});
  };
  EXPECT_THROW(read({}), Error);
  EXPECT_THROW(read({-1}), Error);
  EXPECT_THROW(read({1'000'000}), Error);
  EXPECT_THROW(read(std::vector<int32_t>(9, 1)), Error);
  EXPECT_NO_THROW(read(std::vector<int32_t>(8, 1)));
}

CorpusOptions SmallCorpus(uint64_t tokens) {
  CorpusOptions options;
  options.sampling.temperature = 1;
  options.tokens = tokens;
  options.text_tokens = 12;
  options.start = {8189};
  options.end_tokens = {8189};
  return options;
}

TEST(WriteCorpusTest, WritesAsManyTokensAsAsked) {
  const Checkpoint checkpoint = Checkpoint::Open(kWikiDense);
  LanguageModel model(checkpoint, 2, 64);
  const auto texts = WriteCorpus(model, SmallCorpus(250), [](uint64_t) {});
  uint64_t tokens = 0;
  for (const auto& text : texts) {
    EXPECT_LE(text.size(), 12u);
    tokens += text.size();
  }
  EXPECT_EQ(tokens, 250u);
}

// A longer corpus begins with the shorter one, though other texts are written
// side by side.
TEST(WriteCorpusTest, SaysTheSameWhateverIsBeside) {
  const Checkpoint checkpoint = Checkpoint::Open(kWikiDense);
  LanguageModel model(checkpoint, 2, 64);
  const auto few = WriteCorpus(model, SmallCorpus(30), [](uint64_t) {});
  const auto many = WriteCorpus(model, SmallCorpus(400), [](uint64_t) {});
  for (size_t i = 0; i + 1 < few.size(); ++i) EXPECT_EQ(few[i], many[i]);
  // Text 3 alone.
  const auto text = many[3];
  GenerateOptions options;
  options.sampling.temperature = 1;
  options.max_tokens = 12;
  options.end_tokens = {8189};
  const std::vector<int32_t> start = {8189};
  const auto alone = Generate(model, start, options, [](int32_t) {}).tokens;
  EXPECT_EQ(alone, many[0]);
  EXPECT_NE(alone, text);
}

}  // namespace
}  // namespace ram
