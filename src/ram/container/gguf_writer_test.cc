#include "ram/container/gguf_writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/container/gguf_test_support.h"

namespace ram {
namespace {

using testing::ElementsAre;

// Laid out by hand from docs/gguf.md of ggml.
TEST(GgufWriterTest, WritesWhatTheFormatSays) {
  GgufPairs pairs;
  pairs.AddU32("a", 7);
  pairs.AddText("bc", "hi");
  const std::vector<uint64_t> shape = {2, 32};
  const std::vector<GgufTensorEntry> tensors = {{"t", shape, GgmlType::kQ8_0},
                                                {"u", shape, GgmlType::kF16}};
  const GgufFileLayout layout =
      LayOutGguf(pairs.count(), pairs.bytes(), tensors);
  using namespace std::string_literals;
  const std::string expected =
      "GGUF\3\0\0\0"s + "\2\0\0\0\0\0\0\0"s + "\2\0\0\0\0\0\0\0"s +
      "\1\0\0\0\0\0\0\0a\4\0\0\0\7\0\0\0"s +
      "\2\0\0\0\0\0\0\0bc\x8\0\0\0\2\0\0\0\0\0\0\0hi"s +
      "\1\0\0\0\0\0\0\0t\2\0\0\0"s + "\x20\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"s +
      "\x8\0\0\0\0\0\0\0\0\0\0\0"s + "\1\0\0\0\0\0\0\0u\2\0\0\0"s +
      "\x20\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0"s + "\1\0\0\0\x60\0\0\0\0\0\0\0"s;
  EXPECT_EQ(layout.prefix.substr(0, expected.size()), expected);
  EXPECT_EQ(layout.prefix.size() % 32, 0u);
  EXPECT_LT(layout.prefix.size() - expected.size(), 32u);
  EXPECT_EQ(layout.prefix.find_first_not_of('\0', expected.size()),
            std::string::npos);
  // 2 rows of one block of 34 bytes take 68, that is 96 with what fills up.
  EXPECT_THAT(layout.offsets,
              ElementsAre(layout.prefix.size(), layout.prefix.size() + 96));
  EXPECT_EQ(layout.file_bytes, layout.prefix.size() + 96 + 128);
}

TEST(GgufWriterTest, TypedPairsAreReadBack) {
  GgufPairs pairs;
  pairs.AddU8("u8", 200);
  pairs.AddU16("u16", 60000);
  pairs.AddU32("u32", 4000000000);
  pairs.AddU64("u64", uint64_t{1} << 63);
  pairs.AddI32("i32", -5);
  pairs.AddF32("f32", 0.1f);
  pairs.AddBool("bool", true);
  pairs.AddText("text", "\xC3\xA9");
  GgufStrings texts;
  texts.Add("");
  texts.Add("xy");
  pairs.AddTexts("texts", texts);
  pairs.AddU32s("u32s", std::vector<uint32_t>{1, 4000000000});
  pairs.AddI32s("i32s", std::vector<int32_t>{-1, 1});
  pairs.AddF32s("f32s", std::vector<float>{0.5f, -2});
  pairs.AddBools("bools", {true, false});
  EXPECT_EQ(pairs.count(), 13u);
  const GgufFileLayout layout = LayOutGguf(pairs.count(), pairs.bytes(), {});
  EXPECT_EQ(layout.file_bytes, layout.prefix.size());
  const GgufMetadata read = ParseGguf(layout.prefix, "f").metadata;
  EXPECT_EQ(read.values().size(), 13u);
  EXPECT_EQ(read.Find("u8")->type, GgufValueType::kU8);
  EXPECT_EQ(read.Uint("u8"), 200u);
  EXPECT_EQ(read.Find("u16")->type, GgufValueType::kU16);
  EXPECT_EQ(read.Uint("u16"), 60000u);
  EXPECT_EQ(read.Find("u32")->type, GgufValueType::kU32);
  EXPECT_EQ(read.Uint("u32"), 4000000000u);
  EXPECT_EQ(read.Find("u64")->type, GgufValueType::kU64);
  EXPECT_EQ(read.Uint("u64"), uint64_t{1} << 63);
  EXPECT_EQ(read.Find("i32")->type, GgufValueType::kI32);
  EXPECT_THAT(read.Find("i32")->signeds, ElementsAre(-5));
  EXPECT_EQ(read.Number("f32"), double{0.1f});
  EXPECT_EQ(read.Bool("bool"), true);
  EXPECT_EQ(read.Text("text"), "\xC3\xA9");
  ASSERT_EQ(read.Strings("texts")->size(), 2u);
  EXPECT_EQ((*read.Strings("texts"))[0], "");
  EXPECT_EQ((*read.Strings("texts"))[1], "xy");
  EXPECT_THAT(*read.Uints("u32s"), ElementsAre(1, 4000000000));
  EXPECT_THAT(*read.Ints("i32s"), ElementsAre(-1, 1));
  EXPECT_THAT(*read.Numbers("f32s"), ElementsAre(0.5, -2));
  EXPECT_THAT(*read.Bools("bools"), ElementsAre(true, false));
}

// Every type, scalars and arrays, written by hand.
TEST(GgufWriterTest, CopiesAnyValueBitForBit) {
  using enum GgufValueType;
  GgufBytes bytes;
  bytes.Key("a", kU8).Number(uint8_t{255});
  bytes.Key("b", kI8).Number(int8_t{-128});
  bytes.Key("c", kU16).Number(uint16_t{65535});
  bytes.Key("d", kI16).Number(int16_t{-32768});
  bytes.Key("e", kU32).Number(uint32_t{1});
  bytes.Key("f", kI32).Number(int32_t{-2});
  bytes.Key("g", kF32).Number(0.1f);
  bytes.Key("h", kBool).Number(uint8_t{1});
  bytes.Key("i", kString).Text("text");
  bytes.Key("j", kU64).Number(~uint64_t{0});
  bytes.Key("k", kI64).Number(int64_t{-1});
  bytes.Key("l", kF64).Number(0.1);
  bytes.Key("m", kArray).Array(kI16, 2).Number(int16_t{-1}).Number(int16_t{2});
  bytes.Key("n", kArray).Array(kString, 2).Text("").Text("z");
  bytes.Key("o", kArray).Array(kArray, 2);
  bytes.Array(kU8, 1).Number(uint8_t{9}).Array(kString, 1).Text("in");
  bytes.Key("p", kArray).Array(kF64, 0);
  const std::string file = GgufBytes().Header(0, 16).Raw(bytes.bytes()).bytes();
  const GgufMetadata read = ParseGguf(file, "f").metadata;
  GgufPairs pairs;
  for (char key = 'a'; key <= 'p'; ++key) {
    pairs.AddValue(std::string(1, key), *read.Find(std::string(1, key)));
  }
  EXPECT_EQ(pairs.bytes(), bytes.bytes());
}

TEST(GgufWriterTest, TensorsAreReadBackWhereTheyWerePut) {
  const std::vector<uint64_t> stack = {3, 5, 256}, vector = {7};
  const std::vector<GgufTensorEntry> tensors = {
      {"blk.0.ffn_up_exps.weight", stack, GgmlType::kQ4_K},
      {"blk.0.attn_norm.weight", vector, GgmlType::kF32},
      {"b", stack, GgmlType::kIQ4_NL}};
  const GgufFileLayout layout = LayOutGguf(0, "", tensors);
  std::string file = layout.prefix;
  file.resize(layout.file_bytes);
  const GgufHeader header = ParseGguf(file, "f");
  ASSERT_EQ(header.tensors.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(header.tensors[i].name, tensors[i].name);
    EXPECT_EQ(header.tensors[i].type, tensors[i].type);
    EXPECT_EQ(header.tensors[i].offset, layout.offsets[i]);
    EXPECT_EQ(header.tensors[i].bytes, GgufTensorBytes(tensors[i]));
  }
  EXPECT_THAT(header.tensors[0].shape, ElementsAre(3, 5, 256));
  EXPECT_EQ(header.tensors[0].bytes, 3u * 5 * 144);
  EXPECT_EQ(header.tensors[2].bytes, 3u * 5 * 8 * 18);
}

TEST(GgufWriterTest, SizeIsKnownWithoutLayingOut) {
  GgufPairs pairs;
  std::string name;
  std::vector<uint64_t> shape = {3, 32};
  for (int i = 0; i < 40; ++i) {
    name += 'n';
    const std::vector<GgufTensorEntry> tensors = {
        {name, shape, GgmlType::kQ5_0}, {"x", shape, GgmlType::kF32}};
    EXPECT_EQ(GgufFileBytes(pairs.bytes().size(), tensors),
              LayOutGguf(pairs.count(), pairs.bytes(), tensors).file_bytes);
    pairs.AddText(fmt::format("key{}", i), name);
  }
}

TEST(GgufWriterTest, AppendKeepsOrderAndKeys) {
  GgufPairs first, second;
  first.AddU8("a", 1);
  second.AddU8("b", 2);
  const std::string bytes = first.bytes() + second.bytes();
  first.Append(second);
  EXPECT_EQ(first.bytes(), bytes);
  EXPECT_EQ(first.count(), 2u);
  EXPECT_TRUE(first.Has("b"));
  EXPECT_FALSE(first.Has("c"));
}

TEST(GgufWriterTest, RefusesSizesBeyondAFile) {
  const std::vector<uint64_t> shape = {uint64_t{1} << 40, uint64_t{1} << 30};
  const std::vector<GgufTensorEntry> tensors = {{"t", shape, GgmlType::kF32}};
  EXPECT_THROW(GgufFileBytes(0, tensors), Error);
  EXPECT_THROW(LayOutGguf(0, "", tensors), Error);
}

}  // namespace
}  // namespace ram
