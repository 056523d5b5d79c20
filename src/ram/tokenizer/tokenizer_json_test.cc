// What a tokenizer.json must not say, and how that is reported.
#include "ram/tokenizer/tokenizer_json.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ram/base/error.h"

namespace ram {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

Json Bpe(Json vocab, Json merges) {
  return {{"type", "BPE"}, {"vocab", vocab}, {"merges", merges}};
}

Json Small() {
  return {{"model", Bpe({{"a", 0U}, {"b", 1U}, {"ab", 2U}}, {"a b"})},
          {"decoder", {{"type", "Fuse"}}}};
}

Json With(const char* key, Json value) {
  Json json = Small();
  json[key] = std::move(value);
  return json;
}

// The kind and the message; fails when there is no error.
std::pair<ErrorKind, std::string> ErrorOf(const Json& json,
                                          std::string_view text = "ab") {
  try {
    PipelineTokenizer(ReadTokenizerJson(json, "t.json")).Encode(text, {});
  } catch (const Error& error) {
    return {error.kind(), error.what()};
  }
  ADD_FAILURE() << "no error for " << json.dump();
  return {};
}

void ExpectCorrupt(const Json& json, const char* part) {
  const auto [kind, message] = ErrorOf(json);
  EXPECT_EQ(kind, ErrorKind::kCorrupt) << message;
  EXPECT_THAT(message, AllOf(HasSubstr("t.json"), HasSubstr(part)));
}

void ExpectUnsupportedPart(const Json& json, const char* part) {
  const auto [kind, message] = ErrorOf(json);
  EXPECT_EQ(kind, ErrorKind::kUnsupported) << message;
  EXPECT_THAT(message, AllOf(HasSubstr("t.json"), HasSubstr(part)));
}

TEST(TokenizerJsonTest, SmallestTokenizerMerges) {
  const PipelineTokenizer tokenizer(ReadTokenizerJson(Small(), "t.json"));
  EXPECT_THAT(tokenizer.Encode("abba", {}), ElementsAre(2, 1, 0));
  EXPECT_EQ(tokenizer.vocabulary_size(), 3U);
}

TEST(TokenizerJsonTest, UnknownComponentsAreNamed) {
  ExpectUnsupportedPart(With("normalizer", {{"type", "BertNormalizer"}}),
                        "normalizer: found BertNormalizer");
  ExpectUnsupportedPart(With("pre_tokenizer", {{"type", "UnicodeScripts"}}),
                        "pre_tokenizer: found UnicodeScripts");
  ExpectUnsupportedPart(With("decoder", {{"type", "CTC"}}),
                        "decoder: found CTC");
  ExpectUnsupportedPart(With("post_processor", {{"type", "X"}}),
                        "post_processor: found X");
  ExpectUnsupportedPart(With("model", {{"type", "WordPiece"}}), "'WordPiece'");
}

TEST(TokenizerJsonTest, DropoutIsRefused) {
  Json json = Small();
  json["model"]["dropout"] = 0.1;
  ExpectUnsupportedPart(json, "dropout: found 0.1");
}

TEST(TokenizerJsonTest, MergeOfUnknownTokensIsCorrupt) {
  ExpectCorrupt(With("model", Bpe({{"a", 0U}, {"b", 1U}}, {"a b"})),
                "merge 0: found token 'ab'");
  ExpectCorrupt(With("model", Bpe({{"a", 0U}}, {"a c"})), "'c'");
}

TEST(TokenizerJsonTest, MergeThatIsNoPairIsCorrupt) {
  for (const Json& merge : {Json("ab"), Json("a b c"), Json({"a"}), Json(1)}) {
    ExpectCorrupt(With("model", Bpe({{"a", 0U}}, Json::array({merge}))),
                  "merges: found");
  }
}

TEST(TokenizerJsonTest, TwoTokensWithOneIdAreCorrupt) {
  ExpectCorrupt(With("model", Bpe({{"a", 0U}, {"b", 0U}}, Json::array())),
                "one id, 0");
  ExpectCorrupt(With("added_tokens", {{{"id", 1U},
                                       {"content", "<x>"},
                                       {"special", true},
                                       {"single_word", false},
                                       {"lstrip", false},
                                       {"rstrip", false},
                                       {"normalized", false}}}),
                "'<x>': found id 1, which is that of 'b'");
}

TEST(TokenizerJsonTest, IdsThatAreNoIdsAreRefused) {
  for (const Json& id : {Json(-1), Json(1.5), Json("1"), Json()}) {
    ExpectCorrupt(With("model", Bpe({{"a", id}}, Json::array())), "'a'");
  }
  ExpectUnsupportedPart(With("model", Bpe({{"a", 4194304U}}, Json::array())),
                        "found id 4194304");
}

TEST(TokenizerJsonTest, TemplateWithoutItsTokensIsCorrupt) {
  ExpectCorrupt(
      With("post_processor",
           {{"type", "TemplateProcessing"},
            {"single", {{{"SpecialToken", {{"id", "<s>"}, {"type_id", 0U}}}}}},
            {"special_tokens", Json::object()}}),
      "'<s>'");
}

TEST(TokenizerJsonTest, SurroundingTokenWithoutTextIsCorrupt) {
  ExpectCorrupt(With("post_processor", {{"type", "BertProcessing"},
                                        {"cls", {"<s>", 7U}},
                                        {"sep", {"</s>", 0U}}}),
                "found token 7");
}

TEST(TokenizerJsonTest, UnknownTokenOutsideTheVocabularyIsCorrupt) {
  Json json = Small();
  json["model"]["unk_token"] = "<unk>";
  const auto [kind, message] = ErrorOf(json, "c");
  EXPECT_EQ(kind, ErrorKind::kCorrupt);
  EXPECT_THAT(message, HasSubstr("unk_token: found '<unk>'"));
}

TEST(TokenizerJsonTest, RegexThatCannotBeTranslatedIsNamed) {
  for (const char* pattern : {"[a[b]]", "[a&&b]", "\\X", "(?<n>a)", "a{2}+",
                              "(", "\\p{Nonsense}", "[\\W]", "\\xFF"}) {
    ExpectUnsupportedPart(
        With("pre_tokenizer", {{"type", "Split"},
                               {"pattern", {{"Regex", pattern}}},
                               {"behavior", "Isolated"},
                               {"invert", false}}),
        pattern);
  }
}

TEST(TokenizerJsonTest, RegexThatDoesNotEndIsGivenUp) {
  const Json json = With("pre_tokenizer", {{"type", "Split"},
                                           {"pattern", {{"Regex", "(a|aa)+$"}}},
                                           {"behavior", "Isolated"},
                                           {"invert", false}});
  const auto [kind, message] = ErrorOf(json, std::string(200, 'a') + "b");
  EXPECT_EQ(kind, ErrorKind::kUnsupported);
  EXPECT_THAT(message, HasSubstr("gave up"));
}

TEST(TokenizerJsonTest, DeepNestingIsRefused) {
  std::string text = R"({"pre_tokenizer": )";
  std::string end = "}";
  for (int i = 0; i < 200; ++i) {
    text += R"({"type": "Sequence", "pretokenizers": [)";
    end = "]}" + end;
  }
  EXPECT_THROW(ParseJson(text + end, "t.json"), Error);
}

TEST(TokenizerJsonTest, TextThatIsNotUtf8IsNamedWithItsByte) {
  const PipelineTokenizer tokenizer(ReadTokenizerJson(Small(), "t.json"));
  for (const char* bad : {"ab\xFF", "ab\xC3", "ab\xC0\x80", "ab\xED\xA0\x80",
                          "ab\xF4\x90\x80\x80", "ab\x80"}) {
    try {
      tokenizer.Encode(bad, {});
      ADD_FAILURE() << "no error";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCorrupt);
      EXPECT_THAT(error.what(), HasSubstr("byte 2: found 0x"));
    }
  }
}

TEST(TokenizerJsonTest, MegabyteWithoutSpacesTakesNoQuadraticTime) {
  const PipelineTokenizer tokenizer(ReadTokenizerJson(Small(), "t.json"));
  std::string text;
  for (int i = 0; i < 500000; ++i) text += "ab";
  EXPECT_EQ(tokenizer.Encode(text, {}), std::vector<TokenId>(500000, 2));
}

}  // namespace
}  // namespace ram
