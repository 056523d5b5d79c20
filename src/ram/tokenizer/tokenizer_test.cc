#include "ram/tokenizer/tokenizer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

void Write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

constexpr char kTokenizer[] = R"({"model": {"type": "BPE",
    "vocab": {"a": 0, "<s>": 1, "</s>": 2, "<end>": 3}, "merges": []}})";

class TokenizerTest : public ::testing::Test {
 protected:
  TokenizerTest() { Write(path() / "tokenizer.json", kTokenizer); }
  std::filesystem::path path() const { return directory_.path(); }
  std::unique_ptr<Tokenizer> Open() const { return Tokenizer::Open(path()); }

  TemporaryDirectory directory_;
};

TEST_F(TokenizerTest, MissingTokenizerIsNamed) {
  std::filesystem::remove(path() / "tokenizer.json");
  try {
    Open();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_THAT(error.what(), HasSubstr("neither tokenizer.json nor"));
  }
}

TEST_F(TokenizerTest, FileThatIsNotGgufIsRefused) {
  EXPECT_THROW(Tokenizer::Open(path() / "tokenizer.json"), Error);
}

TEST_F(TokenizerTest, WithoutConfigurationNothingIsAdded) {
  const auto tokenizer = Open();
  EXPECT_THAT(tokenizer->StartTokens(), IsEmpty());
  EXPECT_THAT(tokenizer->EndTokens(), IsEmpty());
  EXPECT_EQ(tokenizer->ChatTemplate(), "");
}

TEST_F(TokenizerTest, ConfigurationAddsStartAndEnd) {
  Write(path() / "tokenizer_config.json",
        R"({"bos_token": {"content": "<s>"}, "eos_token": "</s>",
            "add_bos_token": true, "add_eos_token": true})");
  const auto tokenizer = Open();
  EXPECT_THAT(tokenizer->StartTokens(), ElementsAre(1));
  EXPECT_THAT(tokenizer->Encode("a", {.add_special = true}),
              ElementsAre(1, 0, 2));
  EXPECT_THAT(tokenizer->Encode("a"), ElementsAre(0));
}

TEST_F(TokenizerTest, EndsOfGenerationAndOfTextBothCount) {
  Write(path() / "config.json", R"({"eos_token_id": 0})");
  Write(path() / "generation_config.json", R"({"eos_token_id": [3, 2]})");
  Write(path() / "special_tokens_map.json", R"({"eos_token": "</s>"})");
  EXPECT_THAT(Open()->EndTokens(), ElementsAre(3, 2));
}

TEST_F(TokenizerTest, ConfigurationEndsWhereNoGenerationConfigSaysSo) {
  Write(path() / "config.json", R"({"text_config": {"eos_token_id": 3}})");
  EXPECT_THAT(Open()->EndTokens(), ElementsAre(3));
}

TEST_F(TokenizerTest, DefaultOfNamedTemplatesIsTaken) {
  Write(path() / "tokenizer_config.json",
        R"({"chat_template": [{"name": "tool", "template": "T"},
                              {"name": "default", "template": "D"}]})");
  EXPECT_EQ(Open()->ChatTemplate(), "D");
}

TEST_F(TokenizerTest, TemplateFileGoesBeforeTheConfiguration) {
  Write(path() / "tokenizer_config.json", R"({"chat_template": "C"})");
  EXPECT_EQ(Open()->ChatTemplate(), "C");
  Write(path() / "chat_template.jinja", "J");
  EXPECT_EQ(Open()->ChatTemplate(), "J");
}

TEST_F(TokenizerTest, BrokenConfigurationIsNamed) {
  Write(path() / "tokenizer_config.json", R"({"chat_template": 1})");
  try {
    Open();
    ADD_FAILURE() << "no error";
  } catch (const Error& error) {
    EXPECT_THAT(error.what(), HasSubstr("tokenizer_config.json"));
  }
}

}  // namespace
}  // namespace ram
