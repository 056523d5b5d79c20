// Against the `tokenizers` package: tests/peers/make_tokenizer_golden.py.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/tokenizer/pipeline_tokenizer.h"
#include "ram/tokenizer/sentencepiece.h"
#include "ram/tokenizer/tokenizer.h"
#include "ram/tokenizer/tokenizer_json.h"

namespace ram {
namespace {

Json ReadGolden(const std::string& name) {
  return ReadJsonFile(RAM_SOURCE_DIR "/tests/data/tokenizer/" + name);
}

using Ids = std::vector<TokenId>;

// The bytes that `tokenizers` replaces by U+FFFD are as they are here.
std::string Replaced(const std::string& text) {
  return Json::parse(
      Json(text).dump(-1, ' ', true, Json::error_handler_t::replace));
}

void Check(const Tokenizer& tokenizer, const Json& row) {
  const std::string text = row["text"];
  SCOPED_TRACE("text: " + Json(text).dump(-1, ' ', true));
  EXPECT_EQ(tokenizer.Encode(text), row["parsed"].get<Ids>());
  EXPECT_EQ(tokenizer.Encode(text, {.parse_special = false}),
            row["plain"].get<Ids>());
  const Ids special = row["special"];
  EXPECT_EQ(tokenizer.Encode(text, {.add_special = true}), special);
  EXPECT_EQ(Replaced(tokenizer.Decode(special, false)), row["decoded"]);
  EXPECT_EQ(Replaced(tokenizer.Decode(special, true)), row["skipped"]);
}

void CheckAll(const Json& entry, const Json& model) {
  Json json = entry["parts"];
  json["model"] = model;
  const PipelineTokenizer tokenizer(ReadTokenizerJson(json, "golden"));
  SCOPED_TRACE(entry["name"].get<std::string>());
  for (const Json& row : entry["cases"]) Check(tokenizer, row);
}

TEST(TokenizerGoldenTest, EveryComponentDoesWhatItDoesInTokenizers) {
  const Json golden = ReadGolden("components.json");
  for (const Json& entry : golden["tokenizers"]) {
    CheckAll(entry, golden["model"]);
  }
}

TEST(TokenizerGoldenTest, EveryOptionOfBpeDoesWhatItDoesInTokenizers) {
  const Json golden = ReadGolden("models.json");
  for (const Json& entry : golden["tokenizers"]) {
    CheckAll(entry, entry["model"]);
  }
}

TEST(TokenizerGoldenTest, BundledModelHasTheIdsOfTokenizers) {
  const auto tokenizer = Tokenizer::Open(RAM_SOURCE_DIR "/models/wiki-dense");
  for (const Json& row : ReadGolden("wiki_dense.json")) {
    Check(*tokenizer, row);
  }
}

TEST(TokenizerGoldenTest, SentencePieceModelsHaveTheIdsOfSentencePiece) {
  for (const Json& entry : ReadGolden("sentencepiece.json")) {
    const std::string name = entry["name"];
    SCOPED_TRACE(name);
    const PipelineTokenizer tokenizer(
        ReadSentencePiece(ReadTextFile(RAM_SOURCE_DIR "/tests/data/tokenizer/" +
                                       name + ".model"),
                          name)
            .parts);
    for (const Json& row : entry["cases"]) {
      const std::string text = row["text"];
      EXPECT_EQ(tokenizer.Encode(text, {.parse_special = false}),
                row["ids"].get<Ids>())
          << text;
    }
  }
}

}  // namespace
}  // namespace ram
