#include "ram/tokenizer/gguf_tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ram/base/error.h"

namespace ram {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

GgufValue Text(std::string_view text) {
  GgufValue value;
  value.type = GgufValueType::kString;
  value.strings.Add(text);
  return value;
}

GgufValue Uint(uint64_t number, GgufValueType type = GgufValueType::kU32) {
  GgufValue value;
  value.type = type;
  value.unsigneds = {number};
  return value;
}

GgufValue Texts(std::initializer_list<std::string_view> texts) {
  GgufValue value;
  value.type = GgufValueType::kArray;
  value.element_type = GgufValueType::kString;
  for (const std::string_view text : texts) value.strings.Add(text);
  return value;
}

GgufValue Ints(std::vector<int64_t> numbers) {
  GgufValue value;
  value.type = GgufValueType::kArray;
  value.element_type = GgufValueType::kI32;
  value.signeds = std::move(numbers);
  return value;
}

GgufValue Floats(std::vector<double> numbers) {
  GgufValue value;
  value.type = GgufValueType::kArray;
  value.element_type = GgufValueType::kF32;
  value.floats = std::move(numbers);
  return value;
}

// Tokens 3.. are text; 1 and 2 are where texts start and end.
GgufMetadata::Map ByteLevel(std::string_view pre) {
  return {
      {"tokenizer.ggml.model", Text("gpt2")},
      {"tokenizer.ggml.pre", Text(pre)},
      {"tokenizer.ggml.tokens", Texts({"<unk>", "<s>", "<|im_end|>", "1", "2",
                                       "a", "12", "a1", "[gMASK]", "<sop>"})},
      {"tokenizer.ggml.token_type", Ints({2, 3, 3, 1, 1, 1, 1, 1, 3, 3})},
      {"tokenizer.ggml.merges", Texts({"1 2", "a 1"})},
      {"tokenizer.ggml.bos_token_id", Uint(1)},
      {"tokenizer.ggml.eos_token_id", Uint(0)},
  };
}

GgufMetadata::Map PieceTokenizer() {
  return {
      {"tokenizer.ggml.model", Text("llama")},
      {"tokenizer.ggml.tokens",
       Texts({"<unk>", "<s>", "</s>", "\u2581", "a", "b", "ab", "\u2581ab"})},
      {"tokenizer.ggml.token_type", Ints({2, 3, 3, 1, 1, 1, 1, 1})},
      {"tokenizer.ggml.scores", Floats({0, 0, 0, -9, -9, -9, -1, -2})},
      {"tokenizer.ggml.bos_token_id", Uint(1)},
      {"tokenizer.ggml.eos_token_id", Uint(2)},
  };
}

PipelineTokenizer Make(GgufMetadata::Map values) {
  return PipelineTokenizer(
      ReadGgufTokenizer(GgufMetadata("t.gguf", std::move(values))));
}

std::string MessageOf(GgufMetadata::Map values) {
  try {
    Make(std::move(values)).Encode("c", {});
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

TEST(GgufTokenizerTest, PreDecidesWhereWordsEnd) {
  // SmolLM takes every digit alone; Llama 3 takes three together.
  EXPECT_THAT(Make(ByteLevel("smollm")).Encode("12", {}), ElementsAre(3, 4));
  EXPECT_THAT(Make(ByteLevel("llama-bpe")).Encode("12", {}), ElementsAre(6));
}

TEST(GgufTokenizerTest, SpecialTokensAreFoundInText) {
  const PipelineTokenizer tokenizer = Make(ByteLevel("gpt-2"));
  EXPECT_THAT(tokenizer.Encode("a<|im_end|>", {}), ElementsAre(5, 2));
  EXPECT_THAT(tokenizer.EndTokens(), ElementsAre(0, 2));
}

TEST(GgufTokenizerTest, StartTokensFollowTheFileThenTheName) {
  EXPECT_THAT(Make(ByteLevel("gpt-2")).StartTokens(), IsEmpty());
  EXPECT_THAT(Make(ByteLevel("llama-bpe")).StartTokens(), ElementsAre(1));
  EXPECT_THAT(Make(ByteLevel("chatglm-bpe")).StartTokens(), ElementsAre(8, 9));
  for (const char* pre : {"llama-bpe", "chatglm-bpe"}) {
    GgufMetadata::Map values = ByteLevel(pre);
    values["tokenizer.ggml.add_bos_token"] = Uint(0, GgufValueType::kBool);
    EXPECT_THAT(Make(std::move(values)).StartTokens(), IsEmpty());
  }
}

TEST(GgufTokenizerTest, SentencePieceMergesTheHighestScoreFirst) {
  const PipelineTokenizer tokenizer = Make(PieceTokenizer());
  EXPECT_THAT(tokenizer.Encode("ab ba", {}), ElementsAre(7, 3, 5, 4));
  EXPECT_THAT(tokenizer.StartTokens(), ElementsAre(1));
  EXPECT_EQ(tokenizer.Decode(std::vector<TokenId>{1, 7, 3, 5}, true), "ab b");
}

TEST(GgufTokenizerTest, AddSpacePrefixCanBeTurnedOff) {
  GgufMetadata::Map values = PieceTokenizer();
  values["tokenizer.ggml.add_space_prefix"] = Uint(0, GgufValueType::kBool);
  EXPECT_THAT(Make(std::move(values)).Encode("ab ab", {}), ElementsAre(6, 7));
}

TEST(GgufTokenizerTest, UnknownModelAndPreAreNamed) {
  GgufMetadata::Map values = ByteLevel("gpt-2");
  values["tokenizer.ggml.model"] = Text("bert");
  EXPECT_THAT(MessageOf(std::move(values)), HasSubstr("found 'bert'"));
  EXPECT_THAT(MessageOf(ByteLevel("new-pre")),
              HasSubstr("tokenizer.ggml.pre: found 'new-pre'"));
}

TEST(GgufTokenizerTest, ArraysOfAnotherLengthThanTheTokensAreRefused) {
  GgufMetadata::Map values = PieceTokenizer();
  values["tokenizer.ggml.scores"] = Floats({0, 1});
  EXPECT_THAT(MessageOf(std::move(values)),
              HasSubstr("tokenizer.ggml.scores: found 2 elements, expected 8"));
  values = ByteLevel("gpt-2");
  values["tokenizer.ggml.token_type"] = Ints({1});
  EXPECT_THAT(MessageOf(std::move(values)), HasSubstr("found 1 elements"));
}

TEST(GgufTokenizerTest, IdsBeyondTheTokensAreRefused) {
  GgufMetadata::Map values = ByteLevel("gpt-2");
  values["tokenizer.ggml.bos_token_id"] = Uint(10);
  EXPECT_THAT(MessageOf(std::move(values)),
              HasSubstr("found 10, expected less than 10"));
}

TEST(GgufTokenizerTest, MergesThatMakeNoTokenAreRefused) {
  GgufMetadata::Map values = ByteLevel("gpt-2");
  values["tokenizer.ggml.merges"] = Texts({"2 1"});
  EXPECT_THAT(MessageOf(std::move(values)), HasSubstr("merge 0"));
  values = ByteLevel("gpt-2");
  values["tokenizer.ggml.merges"] = Texts({"21"});
  EXPECT_THAT(MessageOf(std::move(values)), HasSubstr("expected two tokens"));
}

}  // namespace
}  // namespace ram
