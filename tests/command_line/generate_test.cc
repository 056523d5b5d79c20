// `ram generate` as its user meets it. The tiny model's tokenizer has one token
// a letter; its weights are random, so what it writes is noise that repeats.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "command_line/program.h"
#include "command_line/tiny_model.h"
#include "command_line/tiny_tokenizer.h"
#include "ram/base/file.h"
#include "ram/base/json.h"

namespace ram {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;

class GenerateCommandTest : public ProgramTest {
 protected:
  GenerateCommandTest() { WriteModel("model"); }

  void WriteModel(const std::string& name) {
    model_.Write(directory_ / name);
    WriteTinyTokenizer(directory_ / name);
  }

  // Runs `ram OPTIONS generate ARGUMENTS` in the test's own directory.
  Outcome Generate(const std::string& arguments,
                   const std::string& options = "") {
    return Ram("generate " + arguments + " --threads 1 " + options);
  }

  Json GenerateJson(const std::string& arguments) {
    const Outcome outcome = Generate(arguments, "--json");
    EXPECT_EQ(outcome.err, "");
    EXPECT_EQ(outcome.code, 0);
    return Json::parse(outcome.out);
  }

  void ExpectRefusal(const std::string& arguments, int code,
                     const std::string& message) {
    const Outcome outcome = Generate(arguments);
    EXPECT_EQ(outcome.err, message);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.code, code);
  }

  void AddChatTemplate() {
    directory_.Write(
        "model/tokenizer_config.json",
        Json({{"bos_token", "<s>"},
              {"chat_template",
               "{{ bos_token }}{% for m in messages %}{{ m.role }}:"
               "{{ m.content }}\n{% endfor %}"
               "{% if add_generation_prompt %}assistant:{% endif %}"}})
            .dump());
  }

  TinyModel model_;
};

TEST_F(GenerateCommandTest, WritesTheTextAndSaysHowFast) {
  const Outcome outcome = Generate("model 'the fox' --max-tokens 6");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_FALSE(outcome.out.empty());
  EXPECT_EQ(outcome.out.back(), '\n');
  // The start token is a token of the prompt.
  EXPECT_THAT(outcome.err,
              MatchesRegex("prompt 8 tokens, [0-9.]+ a second; 6 new ones, "
                           "[0-9.]+ a second \\(cut off by --max-tokens\\)\n"));
}

TEST_F(GenerateCommandTest, QuietWritesTheTextAlone) {
  const Outcome outcome = Generate("model 'the fox' --max-tokens 6", "--quiet");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.out, Generate("model 'the fox' --max-tokens 6").out);
}

TEST_F(GenerateCommandTest, JsonNamesTokensAndText) {
  const Json result = GenerateJson("model 'the fox' --max-tokens 6");
  EXPECT_EQ(result["prompt"], "the fox");
  EXPECT_EQ(result["prompt_tokens"], 8);
  EXPECT_EQ(result["tokens"].size(), 6u);
  EXPECT_EQ(result["ended"], false);
  EXPECT_EQ(result["text"].get<std::string>() + "\n",
            Generate("model 'the fox' --max-tokens 6").out);
  EXPECT_GT(result["weight_bytes"], 2 * 64 * 128);
}

TEST_F(GenerateCommandTest, GreedyTextDoesNotDependOnTheSeed) {
  EXPECT_EQ(GenerateJson("model abc --max-tokens 12 --seed 1")["tokens"],
            GenerateJson("model abc --max-tokens 12 --seed 2")["tokens"]);
}

TEST_F(GenerateCommandTest, SampledTextRepeatsForItsSeedAlone) {
  const std::string command =
      "model abc --max-tokens 30 --temperature 1.5 --seed ";
  const Json first = GenerateJson(command + "1")["tokens"];
  EXPECT_EQ(GenerateJson(command + "1")["tokens"], first);
  EXPECT_NE(GenerateJson(command + "2")["tokens"], first);
}

TEST_F(GenerateCommandTest, OneCandidateIsTheMostLikelyToken) {
  EXPECT_EQ(
      GenerateJson(
          "model abc --max-tokens 12 --temperature 1 --top-k 1")["tokens"],
      GenerateJson("model abc --max-tokens 12")["tokens"]);
}

TEST_F(GenerateCommandTest, PutsThePromptIntoTheChatTemplate) {
  AddChatTemplate();
  EXPECT_EQ(GenerateJson("model hello --max-tokens 2")["prompt"],
            "<s>user:hello\nassistant:");
  EXPECT_EQ(GenerateJson("model hello --max-tokens 2 --system Brief")["prompt"],
            "<s>system:Brief\nuser:hello\nassistant:");
  const Json raw = GenerateJson("model hello --max-tokens 2 --raw");
  EXPECT_EQ(raw["prompt"], "hello");
  EXPECT_EQ(raw["prompt_tokens"], 6);
}

// <s>, "user:hello", a line feed and "assistant:", a token each.
TEST_F(GenerateCommandTest, AChatHasOneStartToken) {
  AddChatTemplate();
  EXPECT_EQ(GenerateJson("model hello --max-tokens 2")["prompt_tokens"], 22);
}

TEST_F(GenerateCommandTest, CorpusHasAsManyTokensAsAsked) {
  const Outcome outcome =
      Generate("model --corpus 60 --max-tokens 16 -o texts.json");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("texts.json: 60 tokens in "));
  const Json corpus = ReadJsonFile((directory_ / "texts.json").string());
  EXPECT_EQ(corpus["tokens"], 60);
  EXPECT_EQ(corpus["temperature"], 1);
  EXPECT_EQ(corpus["seed"], 42);
  EXPECT_GE(corpus["texts"].size(), 4u);
}

TEST_F(GenerateCommandTest, CorpusRepeatsForItsSeed) {
  Generate("model --corpus 60 --max-tokens 16 -o a.txt");
  Generate("model --corpus 60 --max-tokens 16 -o b.txt");
  Generate("model --corpus 60 --max-tokens 16 -o c.txt --seed 7");
  EXPECT_EQ(ReadTextFile(directory_ / "a.txt"),
            ReadTextFile(directory_ / "b.txt"));
  EXPECT_NE(ReadTextFile(directory_ / "a.txt"),
            ReadTextFile(directory_ / "c.txt"));
}

TEST_F(GenerateCommandTest, RefusesACorpusWithoutAFile) {
  ExpectRefusal("model --corpus 60", 2,
                "ram: --corpus: found no -o, expected a file to write\n");
}

TEST_F(GenerateCommandTest, RefusesAnExistingCorpus) {
  directory_.Write("old.txt", "");
  ExpectRefusal("model --corpus 60 -o old.txt", 5,
                "ram: old.txt: found a file, expected none\n");
}

TEST_F(GenerateCommandTest, NeedsAPrompt) {
  ExpectRefusal("model", 2,
                "ram: generate: found no prompt, expected one (or --corpus)\n");
}

// With a start token an empty prompt is a text from its start.
TEST_F(GenerateCommandTest, BeginsATextAfterTheStartToken) {
  const Json result = GenerateJson("model '' --max-tokens 2");
  EXPECT_EQ(result["prompt_tokens"], 1);
  EXPECT_EQ(result["tokens"].size(), 2u);
}

TEST_F(GenerateCommandTest, RefusesAnEmptyPromptWithoutStartToken) {
  Json tokenizer = ReadJsonFile((directory_ / "model/tokenizer.json").string());
  tokenizer["post_processor"] = nullptr;
  directory_.Write("model/tokenizer.json", tokenizer.dump());
  ExpectRefusal("model ''", 2,
                "ram: prompt: found no token, expected some text\n");
}

TEST_F(GenerateCommandTest, RefusesAModelWithoutTokenizer) {
  fs::remove(directory_ / "model" / "tokenizer.json");
  ExpectRefusal("model abc", 5,
                "ram: model: tokenizer: found neither tokenizer.json nor "
                "tokenizer.model, expected one\n");
}

TEST_F(GenerateCommandTest, RefusesAChatWithoutTemplate) {
  ExpectRefusal("model abc --chat", 2,
                "ram: model: found no chat template, expected one (leave "
                "--chat out)\n");
}

TEST_F(GenerateCommandTest, RefusesATemplateItDoesNotKnow) {
  directory_.Write("model/tokenizer_config.json",
                   R"({"chat_template": "{% include 'x' %}"})");
  ExpectRefusal("model abc", 4,
                "ram: model: chat template: line 1: the statement 'include' is "
                "not supported\n");
}

TEST_F(GenerateCommandTest, RefusesAnUnknownArchitecture) {
  model_.config["architectures"] = {"NobodyForCausalLM"};
  model_.config["model_type"] = "nobody";
  WriteModel("unknown");
  const Outcome outcome = Generate("unknown abc");
  EXPECT_EQ(outcome.code, 4);
  EXPECT_THAT(outcome.err,
              HasSubstr("ram: unknown: architecture: found NobodyForCausalLM "
                        "(model_type 'nobody'), expected one that can be "
                        "evaluated: "));
}

TEST_F(GenerateCommandTest, RefusesSamplingOutOfRange) {
  ExpectRefusal("model abc --temperature -1", 2,
                "ram: temperature: found -1, expected 0 or more\n");
  ExpectRefusal("model abc --top-p 0", 2,
                "ram: top-p: found 0, expected a number in (0, 1]\n");
  ExpectRefusal("model abc --min-p 2", 2,
                "ram: min-p: found 2, expected a number in [0, 1]\n");
}

TEST_F(GenerateCommandTest, RefusesChatAndRawTogether) {
  const Outcome outcome = Generate("model abc --chat --raw");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--chat excludes --raw"));
}

}  // namespace
}  // namespace ram
