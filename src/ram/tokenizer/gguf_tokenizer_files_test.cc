#include "ram/tokenizer/gguf_tokenizer_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ram/base/temporary_directory.h"
#include "ram/container/gguf_test_support.h"
#include "ram/tokenizer/tokenizer.h"

namespace ram {
namespace {

using testing::ElementsAre;

// The tokenizer of the GGUF file, and that of the files made from it.
struct Both {
  std::unique_ptr<Tokenizer> gguf;
  std::unique_ptr<Tokenizer> files;
};

Both OpenBoth(const GgufFile& file, const TemporaryDirectory& directory) {
  const auto path = directory.Write("m.gguf", file.bytes());
  for (const auto& [name, text] :
       GgufTokenizerFiles(ParseGguf(file.bytes(), "f").metadata)) {
    directory.Write(name, text);
  }
  return {Tokenizer::Open(path), Tokenizer::Open(directory.path())};
}

GgufFile ByteLevel() {
  GgufFile file;
  file.Text("tokenizer.ggml.model", "gpt2")
      .Text("tokenizer.ggml.pre", "smollm")
      .Texts("tokenizer.ggml.tokens",
             {"<|end|>", "a", "b", "Ġ", "1", "2", "ab", "Ġab", "<user>"})
      .Numbers<int32_t>("tokenizer.ggml.token_type", GgufValueType::kI32,
                        {3, 1, 1, 1, 1, 1, 1, 1, 4})
      .Texts("tokenizer.ggml.merges", {"a b", "Ġ ab"})
      .U32("tokenizer.ggml.bos_token_id", 0)
      .U32("tokenizer.ggml.eos_token_id", 0)
      .Bool("tokenizer.ggml.add_bos_token", true)
      .Text("tokenizer.chat_template", "{{ x }}");
  return file;
}

TEST(GgufTokenizerFilesTest, EncodeAsTheByteLevelOriginal) {
  const TemporaryDirectory directory;
  const Both both = OpenBoth(ByteLevel(), directory);
  for (const char* text : {"ab ab", "12ab<user>b", "<|end|>a", " ab1"}) {
    EXPECT_EQ(both.files->Encode(text, {.add_special = true}),
              both.gguf->Encode(text, {.add_special = true}))
        << text;
  }
  EXPECT_THAT(both.files->Encode("ab ab12", {}), ElementsAre(6, 7, 4, 5));
  EXPECT_EQ(both.files->Decode(both.files->Encode("ab ab12", {})), "ab ab12");
  EXPECT_EQ(both.files->StartTokens(), both.gguf->StartTokens());
  EXPECT_EQ(both.files->EndTokens(), both.gguf->EndTokens());
  EXPECT_EQ(both.files->ChatTemplate(), "{{ x }}");
}

// "abc" is best made of "ab" and "c": "ab" scores higher than "bc".
TEST(GgufTokenizerFilesTest, EncodeAsTheSentencePieceOriginal) {
  GgufFile file;
  file.Text("tokenizer.ggml.model", "llama")
      .Texts("tokenizer.ggml.tokens", {"<unk>", "<s>", "</s>", "<unused>", "▁",
                                       "a", "b", "c", "ab", "bc", "abc", "▁a"})
      .Numbers<float>("tokenizer.ggml.scores", GgufValueType::kF32,
                      {0, 0, 0, 0, -9, -8, -7, -6, -1, -2, -3, -4})
      .Numbers<int32_t>("tokenizer.ggml.token_type", GgufValueType::kI32,
                        {2, 3, 3, 5, 1, 1, 1, 1, 1, 1, 1, 1})
      .U32("tokenizer.ggml.bos_token_id", 1)
      .U32("tokenizer.ggml.eos_token_id", 2)
      .U32("tokenizer.ggml.unknown_token_id", 0);
  const TemporaryDirectory directory;
  const Both both = OpenBoth(file, directory);
  for (const char* text : {"abc", "bca", "abcabc a", "d", "aab d"}) {
    EXPECT_EQ(both.files->Encode(text, {.add_special = true}),
              both.gguf->Encode(text, {.add_special = true}))
        << text;
  }
  EXPECT_THAT(both.files->Encode("abc", {}), ElementsAre(4, 10));
  EXPECT_EQ(both.files->Decode(both.files->Encode("abc a", {})), "abc a");
}

TEST(GgufTokenizerFilesTest, RefuseWhatTheReaderRefuses) {
  GgufFile file;
  file.Text("tokenizer.ggml.model", "bert");
  EXPECT_NE(ErrorMessage([&] {
              GgufTokenizerFiles(ParseGguf(file.bytes(), "f").metadata);
            }),
            "");
}

}  // namespace
}  // namespace ram
