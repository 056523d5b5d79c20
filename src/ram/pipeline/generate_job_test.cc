#include "ram/pipeline/generate_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kRoot = RAM_SOURCE_DIR;
const std::filesystem::path kWikiDense = kRoot / "models/wiki-dense";

GenerateJobResult Write(const std::string& prompt, uint64_t tokens) {
  GenerateJobOptions options;
  options.max_tokens = tokens;
  return RunGenerate(kWikiDense, prompt, options, [](std::string_view) {});
}

std::string Refusal(const std::function<void()>& run, ErrorKind kind) {
  try {
    run();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind);
    return error.what();
  }
  ADD_FAILURE() << "nothing was refused";
  return {};
}

// Text and tokens of tests/peers/make_generate_golden.py.
TEST(GenerateJobTest, WritesTheTextThatTransformersWrites) {
  const Json golden = ReadJsonFile(
      (kRoot / "tests/data/generate.json").string())["models"]["wiki-dense"];
  const GenerateJobResult result =
      Write(golden["prompt_text"], golden["tokens"].size());
  EXPECT_EQ(result.generated.tokens,
            golden["tokens"].get<std::vector<int32_t>>());
  EXPECT_EQ(result.text, golden["text"]);
  EXPECT_EQ(result.generated.prompt_tokens, golden["prompt"].size());
  EXPECT_FALSE(result.chat);
}

TEST(GenerateJobTest, StreamsTheTextInWholeCharacters) {
  GenerateJobOptions options;
  options.max_tokens = 60;
  options.sampling.temperature = 2;  // characters of every kind
  std::string streamed;
  uint64_t calls = 0;
  const GenerateJobResult result =
      RunGenerate(kWikiDense, "The town", options, [&](std::string_view text) {
        streamed += text;
        ++calls;
      });
  EXPECT_EQ(calls, result.generated.tokens.size());
  // Only an unfinished last character may be missing.
  EXPECT_TRUE(result.text.starts_with(streamed));
  EXPECT_LT(result.text.size() - streamed.size(), 4u);
}

TEST(GenerateJobTest, KeepsTheSpaceBetweenPromptAndText) {
  const GenerateJobResult result = Write("The town lies on the", 1);
  EXPECT_EQ(result.text.front(), ' ');
}

TEST(GenerateJobTest, CountsTheWeightsThatItReads) {
  const GenerateJobResult result = Write("The", 1);
  EXPECT_GT(result.weight_bytes, 12'000'000u);  // 6.8 million in BF16
  EXPECT_LT(result.weight_bytes, 14'000'000u);
}

TEST(GenerateJobTest, RefusesAChatWithoutTemplate) {
  GenerateJobOptions options;
  options.chat = true;
  EXPECT_THAT(Refusal(
                  [&] {
                    RunGenerate(kWikiDense, "Hi", options,
                                [](std::string_view) {});
                  },
                  ErrorKind::kUsage),
              HasSubstr("wiki-dense: found no chat template, expected one "
                        "(leave --chat out)"));
}

CorpusJobOptions SmallCorpus() {
  CorpusJobOptions options;
  options.sampling.temperature = 1;
  options.tokens = 100;
  options.text_tokens = 40;
  return options;
}

TEST(CorpusJobTest, WritesTextsWithBlankLinesBetween) {
  const TemporaryDirectory directory;

  const CorpusJobResult plain = RunCorpus(kWikiDense, directory / "corpus.txt",
                                          SmallCorpus(), NoProgress());
  RunCorpus(kWikiDense, directory / "corpus.json", SmallCorpus(), NoProgress());
  EXPECT_EQ(plain.tokens, 100u);
  const Json json = ReadJsonFile((directory / "corpus.json").string());
  EXPECT_EQ(json["texts"].size(), plain.texts);
  EXPECT_EQ(json["tokens"], 100);
  std::string joined;
  for (const Json& text : json["texts"]) {
    joined += (joined.empty() ? "" : "\n\n") + text.get<std::string>();
  }
  EXPECT_EQ(ReadTextFile(directory / "corpus.txt"), joined + "\n");
}

TEST(CorpusJobTest, NeverOverwrites) {
  const TemporaryDirectory directory;
  directory.Write("corpus.txt", "mine");

  Refusal(
      [&] {
        RunCorpus(kWikiDense, directory / "corpus.txt", SmallCorpus(),
                  NoProgress());
      },
      ErrorKind::kIo);
  EXPECT_EQ(ReadTextFile(directory / "corpus.txt"), "mine");
}

}  // namespace
}  // namespace ram
