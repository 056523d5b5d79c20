#include "ram/tokenizer/gguf_tokenizer_pairs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/base/temporary_directory.h"
#include "ram/container/gguf_test_support.h"
#include "ram/tokenizer/gguf_tokenizer_files.h"
#include "ram/tokenizer/tokenizer.h"

namespace ram {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

namespace fs = std::filesystem;

constexpr char kLlama3[] =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";

Json Added(int id, const std::string& text, bool special = true) {
  return {{"id", id},           {"content", text}, {"special", special},
          {"lstrip", false},    {"rstrip", false}, {"single_word", false},
          {"normalized", false}};
}

// A byte-level tokenizer.json; `ab` is token 4.
Json ByteLevelJson(const std::string& pattern) {
  return {{"version", "1.0"},
          {"added_tokens", {Added(5, "<|x|>"), Added(7, "<user>", false)}},
          {"normalizer", nullptr},
          {"pre_tokenizer",
           {{"type", "Sequence"},
            {"pretokenizers",
             {{{"type", "Split"},
               {"pattern", {{"Regex", pattern}}},
               {"behavior", "Isolated"},
               {"invert", false}},
              {{"type", "ByteLevel"},
               {"add_prefix_space", false},
               {"use_regex", false}}}}}},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteLevel"}}},
          {"model",
           {{"type", "BPE"},
            {"vocab", {{"a", 0}, {"b", 1}, {"c", 2}, {"Ġ", 3}, {"ab", 4}}},
            {"merges", Json::array({"a b"})}}}};
}

// llama-2's kind: <unk> 0, then "▁" 1, a 2, b 3, ab 4, ▁ab 5, "<0x41>" 6.
Json SentencePieceJson() {
  return {{"version", "1.0"},
          {"added_tokens", Json::array({Added(0, "<unk>")})},
          {"normalizer",
           {{"type", "Sequence"},
            {"normalizers",
             {{{"type", "Prepend"}, {"prepend", "▁"}},
              {{"type", "Replace"},
               {"pattern", {{"String", " "}}},
               {"content", "▁"}}}}}},
          {"pre_tokenizer", nullptr},
          {"post_processor", nullptr},
          {"decoder", {{"type", "ByteFallback"}}},
          {"model",
           {{"type", "BPE"},
            {"unk_token", "<unk>"},
            {"byte_fallback", true},
            {"fuse_unk", true},
            {"vocab",
             {{"<unk>", 0},
              {"▁", 1},
              {"a", 2},
              {"b", 3},
              {"ab", 4},
              {"▁ab", 5},
              {"<0x41>", 6}}},
            {"merges", Json::array({"a b", "▁ ab"})}}}};
}

class GgufTokenizerPairsTest : public testing::Test {
 protected:
  void WriteJson(const std::string& name, const Json& json) {
    directory_.Write(name, json.dump());
  }
  GgufMetadata Metadata(uint64_t rows, const fs::path& from) {
    const GgufPairs pairs = GgufTokenizerPairs(from, rows);
    file_ = LayOutGguf(pairs.count(), pairs.bytes(), {}).prefix;
    return ParseGguf(file_, "f").metadata;
  }
  GgufMetadata Metadata(uint64_t rows) {
    return Metadata(rows, directory_.path());
  }
  // The tokenizer that is read back.
  std::unique_ptr<Tokenizer> ReadBack(uint64_t rows, const fs::path& from) {
    Metadata(rows, from);
    return Tokenizer::Open(directory_.Write("t.gguf", file_));
  }
  std::string Error(uint64_t rows) {
    return ErrorMessage([&] { GgufTokenizerPairs(directory_.path(), rows); });
  }

  TemporaryDirectory directory_;
  std::string file_;
};

TEST_F(GgufTokenizerPairsTest, BundledModelKeepsItsIds) {
  const fs::path model = RAM_SOURCE_DIR "/models/wiki-dense";
  const auto original = Tokenizer::Open(model);
  const auto copy = ReadBack(8192, model);
  const Json rows =
      ReadJsonFile(RAM_SOURCE_DIR "/tests/data/tokenizer/wiki_dense.json");
  ASSERT_GT(rows.size(), 50u);
  for (const Json& row : rows) {
    const std::string text = row["text"];
    EXPECT_EQ(copy->Encode(text), row["parsed"].get<std::vector<TokenId>>());
    EXPECT_EQ(copy->Encode(text, {.add_special = true}),
              row["special"].get<std::vector<TokenId>>());
  }
  // <|im_end|> ends a turn whether or not the original says so.
  EXPECT_THAT(original->EndTokens(), ElementsAre(8189));
  EXPECT_THAT(copy->EndTokens(), ElementsAre(8189, 8191));
  EXPECT_EQ(copy->ChatTemplate(), original->ChatTemplate());
  EXPECT_EQ(copy->vocabulary_size(), 8192u);
}

TEST_F(GgufTokenizerPairsTest, SentencePieceFileKeepsItsIds) {
  const std::string data = RAM_SOURCE_DIR "/tests/data/tokenizer/";
  directory_.Write("tokenizer.model", ReadTextFile(data + "bpe_bytes.model"));
  const auto copy = ReadBack(330, directory_.path());
  int compared = 0;
  for (const Json& entry : ReadJsonFile(data + "sentencepiece.json")) {
    if (entry["name"] != "bpe_bytes") continue;
    for (const Json& row : entry["cases"]) {
      const std::string text = row["text"];
      // Readers of GGUF put U+2581 behind tokens that are looked for, too.
      if (text.find("<x>") != text.npos) continue;
      EXPECT_EQ(copy->Encode(text, {.parse_special = false}),
                row["ids"].get<std::vector<TokenId>>())
          << text;
      ++compared;
    }
  }
  EXPECT_GT(compared, 5);
}

TEST_F(GgufTokenizerPairsTest, ByteLevelTokensHaveTheirTypes) {
  WriteJson("tokenizer.json", ByteLevelJson(kLlama3));
  const GgufMetadata metadata = Metadata(9);
  EXPECT_EQ(metadata.Text("tokenizer.ggml.model"), "gpt2");
  EXPECT_EQ(metadata.Text("tokenizer.ggml.pre"), "smaug-bpe");
  const GgufStrings& tokens = *metadata.Strings("tokenizer.ggml.tokens");
  ASSERT_EQ(tokens.size(), 9u);
  EXPECT_EQ(tokens[4], "ab");
  EXPECT_EQ(tokens[5], "<|x|>");
  EXPECT_EQ(tokens[6], "[PAD6]");
  EXPECT_EQ(tokens[7], "<user>");
  EXPECT_EQ(tokens[8], "[PAD8]");
  EXPECT_THAT(*metadata.Ints("tokenizer.ggml.token_type"),
              ElementsAre(1, 1, 1, 1, 1, 3, 5, 4, 5));
  ASSERT_EQ(metadata.Strings("tokenizer.ggml.merges")->size(), 1u);
  EXPECT_EQ((*metadata.Strings("tokenizer.ggml.merges"))[0], "a b");
  EXPECT_EQ(metadata.Bool("tokenizer.ggml.add_bos_token"), false);
  EXPECT_FALSE(metadata.Has("tokenizer.ggml.scores"));
}

TEST_F(GgufTokenizerPairsTest, NamesOfSplittingsAreFoundByWhatTheyDo) {
  Json json = ByteLevelJson(kLlama3);
  json["model"]["ignore_merges"] = true;
  WriteJson("tokenizer.json", json);
  EXPECT_EQ(Metadata(9).Text("tokenizer.ggml.pre"), "llama-bpe");

  json = ByteLevelJson(kLlama3);
  json["added_tokens"].push_back(Added(6, "[gMASK]"));
  json["added_tokens"].push_back(Added(8, "<sop>"));
  WriteJson("tokenizer.json", json);
  EXPECT_EQ(Metadata(9).Text("tokenizer.ggml.pre"), "glm4");

  // GPT-2's expression is ByteLevel's own.
  json = ByteLevelJson("x");
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  WriteJson("tokenizer.json", json);
  EXPECT_EQ(Metadata(9).Text("tokenizer.ggml.pre"), "gpt-2");

  json["pre_tokenizer"] = {
      {"type", "Sequence"},
      {"pretokenizers",
       {{{"type", "Digits"}, {"individual_digits", true}},
        {{"type", "ByteLevel"}, {"add_prefix_space", false}}}}};
  WriteJson("tokenizer.json", json);
  EXPECT_EQ(Metadata(9).Text("tokenizer.ggml.pre"), "smollm");
}

TEST_F(GgufTokenizerPairsTest, IgnoredMergesMatterOnlyWhereTheyMakeATokenLess) {
  Json json = ByteLevelJson(R"(\p{N})");
  json["pre_tokenizer"] = {{"type", "ByteLevel"}, {"add_prefix_space", false}};
  json["model"]["ignore_merges"] = true;
  WriteJson("tokenizer.json", json);
  EXPECT_EQ(Metadata(9).Text("tokenizer.ggml.pre"), "gpt-2");
  json["model"]["vocab"]["abc"] = 6;  // no merge makes it
  WriteJson("tokenizer.json", json);
  EXPECT_THAT(Error(9), HasSubstr("merges that are ignored for whole words"));
}

TEST_F(GgufTokenizerPairsTest, ScoresFollowFromMerges) {
  WriteJson("tokenizer.json", SentencePieceJson());
  const GgufMetadata metadata = Metadata(8);
  EXPECT_EQ(metadata.Text("tokenizer.ggml.model"), "llama");
  EXPECT_THAT(*metadata.Ints("tokenizer.ggml.token_type"),
              ElementsAre(2, 1, 1, 1, 1, 1, 6, 5));
  const std::vector<double> scores = *metadata.Numbers("tokenizer.ggml.scores");
  EXPECT_GT(scores[4], scores[5]);  // the first merge
  EXPECT_GT(scores[5], scores[2]);
  EXPECT_EQ(metadata.Bool("tokenizer.ggml.add_space_prefix"), true);
  EXPECT_EQ(metadata.Uint("tokenizer.ggml.unknown_token_id"), 0u);
  const auto original = Tokenizer::Open(directory_.path());
  const auto copy = ReadBack(8, directory_.path());
  for (const char* text : {"ab", "ab ab", "b a", "  abab", "aab"}) {
    EXPECT_EQ(copy->Encode(text), original->Encode(text)) << text;
  }
}

TEST_F(GgufTokenizerPairsTest, RefusesMergesThatNoScoresGive) {
  Json json = SentencePieceJson();
  json["model"]["vocab"]["ba"] = 7;  // b and a make it, but no merge says so
  WriteJson("tokenizer.json", json);
  EXPECT_THAT(Error(8), HasSubstr("those of 'ba' are not all that there"));
  json = SentencePieceJson();
  json["model"]["vocab"]["▁a"] = 7;
  json["model"]["merges"] = Json::array({"▁ ab", "a b", "▁ a", "▁a b"});
  WriteJson("tokenizer.json", json);
  EXPECT_THAT(Error(8), HasSubstr("those of '▁ab' do not follow"));
}

TEST_F(GgufTokenizerPairsTest, GgufToFilesToGgufIsTheSame) {
  GgufFile file;
  file.Text("tokenizer.ggml.model", "llama")
      .Text("tokenizer.ggml.pre", "default")
      .Texts("tokenizer.ggml.tokens",
             {"<unk>", "<s>", "</s>", "▁", "a", "b", "ab", "▁ab", "<user>"})
      .Numbers<float>("tokenizer.ggml.scores", GgufValueType::kF32,
                      {0, 0, 0, -9, -9, -9, -1, -2, 0})
      .Numbers<int32_t>("tokenizer.ggml.token_type", GgufValueType::kI32,
                        {2, 3, 3, 1, 1, 1, 1, 1, 4})
      .U32("tokenizer.ggml.bos_token_id", 1)
      .U32("tokenizer.ggml.eos_token_id", 2)
      .U32("tokenizer.ggml.unknown_token_id", 0)
      .Bool("tokenizer.ggml.add_bos_token", true)
      .Bool("tokenizer.ggml.add_eos_token", false)
      .Bool("tokenizer.ggml.add_space_prefix", false)
      .Text("tokenizer.chat_template", "{{ x }}");
  const std::string bytes = file.bytes();
  const GgufMetadata before = ParseGguf(bytes, "f").metadata;
  for (const auto& [name, text] : GgufTokenizerFiles(before)) {
    directory_.Write(name, text);
  }
  const GgufMetadata after = Metadata(9);
  EXPECT_EQ(after.values().size(), before.values().size());
  for (const auto& [key, value] : before.values()) {
    if (key == "tokenizer.ggml.scores") continue;  // other numbers, same order
    GgufPairs left, right;
    left.AddValue(key, value);
    ASSERT_TRUE(after.Has(key)) << key;
    right.AddValue(key, *after.Find(key));
    EXPECT_EQ(left.bytes(), right.bytes()) << key;
  }
}

TEST_F(GgufTokenizerPairsTest, EndsOfTextTurnAndMessageAreKept) {
  Json json = ByteLevelJson(kLlama3);
  json["added_tokens"] = Json::array();
  for (int id = 5; id < 9; ++id) {
    json["added_tokens"].push_back(Added(id, fmt::format("<|{}|>", id)));
  }
  WriteJson("tokenizer.json", json);
  WriteJson("tokenizer_config.json",
            {{"eos_token", {{"content", "<|6|>"}}}, {"pad_token", "<|5|>"}});
  WriteJson("generation_config.json",
            {{"eos_token_id", {5, 6, 8}}, {"bos_token_id", 7}});
  const GgufMetadata metadata = Metadata(9);
  EXPECT_EQ(metadata.Uint("tokenizer.ggml.eos_token_id"), 6u);
  EXPECT_EQ(metadata.Uint("tokenizer.ggml.eot_token_id"), 5u);
  EXPECT_EQ(metadata.Uint("tokenizer.ggml.eom_token_id"), 8u);
  EXPECT_EQ(metadata.Uint("tokenizer.ggml.bos_token_id"), 7u);
  EXPECT_EQ(metadata.Uint("tokenizer.ggml.padding_token_id"), 5u);
}

TEST_F(GgufTokenizerPairsTest, TokensWithoutARowAreLeftOutOrRefused) {
  WriteJson("tokenizer.json", ByteLevelJson(kLlama3));
  EXPECT_EQ(Metadata(6).Strings("tokenizer.ggml.tokens")->size(), 6u);
  EXPECT_THAT(Error(4), HasSubstr("token 'ab': found id 4, expected less than "
                                  "the 4 rows of the embedding"));
}

TEST_F(GgufTokenizerPairsTest, UnknownSplittingIsNamed) {
  WriteJson("tokenizer.json", ByteLevelJson("[0-9]"));
  EXPECT_THAT(Error(9), HasSubstr(R"(found words that are cut by ["[0-9]"])"));
  Json json = ByteLevelJson(kLlama3);
  json["normalizer"] = {{"type", "Lowercase"}};
  WriteJson("tokenizer.json", json);
  EXPECT_THAT(Error(9),
              HasSubstr("normalizer: found {\"type\":\"Lowercase\"}"));
  json = ByteLevelJson(kLlama3);
  json["model"] = {{"type", "Unigram"},
                   {"vocab", Json::array({Json::array({"a", 0.5})})}};
  WriteJson("tokenizer.json", json);
  EXPECT_THAT(Error(9), HasSubstr("found Unigram, expected BPE"));
  json["model"]["merges"] = Json::array();
  WriteJson("tokenizer.json", json);
  EXPECT_THAT(Error(9), HasSubstr("found Unigram, expected BPE"));
  json = SentencePieceJson();
  json["model"]["continuing_subword_prefix"] = "b";
  json["model"]["vocab"]["a"] = 7;
  WriteJson("tokenizer.json", json);
  EXPECT_THAT(Error(9), HasSubstr("tokenizer.json: "));
}

TEST_F(GgufTokenizerPairsTest, SentencePieceFilesThatChangeTextAreRefused) {
  const std::string data = RAM_SOURCE_DIR "/tests/data/tokenizer/";
  directory_.Write("tokenizer.model", ReadTextFile(data + "bpe.model"));
  EXPECT_THAT(Error(5000), HasSubstr("found text that is normalized"));
  directory_.Write("tokenizer.model", ReadTextFile(data + "unigram.model"));
  EXPECT_THAT(Error(5000), HasSubstr("found a unigram model"));
}

TEST_F(GgufTokenizerPairsTest, WrongTypesGiveClearErrors) {
  for (const char* key : {"normalizer", "pre_tokenizer", "model", "decoder"}) {
    for (const Json& wrong : {Json(5), Json(true), Json{{"type", 5}}}) {
      Json json = ByteLevelJson(kLlama3);
      json[key] = wrong;
      WriteJson("tokenizer.json", json);
      EXPECT_THAT(Error(9), HasSubstr("tokenizer.json: ")) << key << wrong;
    }
  }
  for (const Json& wrong : {Json(5), Json("x"), Json{{"Regex", 5}}, Json()}) {
    Json json = ByteLevelJson(kLlama3);
    json["pre_tokenizer"]["pretokenizers"][0]["pattern"] = wrong;
    WriteJson("tokenizer.json", json);
    EXPECT_THAT(Error(9), HasSubstr("tokenizer.json: ")) << wrong;
  }
  const std::string data = RAM_SOURCE_DIR "/tests/data/tokenizer/";
  fs::remove(directory_.path() / "tokenizer.json");
  directory_.Write("tokenizer.model", ReadTextFile(data + "bpe_bytes.model"));
  WriteJson("added_tokens.json", {{"<x>", -1}});
  EXPECT_THAT(Error(400), HasSubstr("'<x>': expected an id"));
  WriteJson("added_tokens.json", Json::object());
  for (const Json& wrong :
       {Json{{"x", 1}}, Json{{"3", 5}}, Json{{"3", {{"content", 5}}}}}) {
    WriteJson("tokenizer_config.json", {{"added_tokens_decoder", wrong}});
    EXPECT_THAT(Error(400), HasSubstr("added_tokens_decoder: ")) << wrong;
  }
}

TEST_F(GgufTokenizerPairsTest, NoTokenizerIsSaid) {
  EXPECT_EQ(Metadata(9).Text("tokenizer.ggml.model"), "no_vocab");
}

}  // namespace
}  // namespace ram
