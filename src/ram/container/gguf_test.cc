#include "ram/container/gguf.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ram/base/temporary_directory.h"
#include "ram/container/gguf_test_support.h"

namespace ram {
namespace {

using testing::ElementsAre;
using Type = GgufValueType;

std::string MessageFor(const GgufBytes& file) {
  return ErrorMessage([&] { ParseGguf(file.bytes(), "f"); });
}

// A file with one value under the key "k".
GgufBytes WithValue(Type type) {
  return GgufBytes().Header(0, 1).Key("k", type);
}

// A file with these tensors and `data` zero bytes.
struct TensorFields {
  std::string name;
  std::vector<uint64_t> shape;
  GgmlType type;
  uint64_t offset;
};
GgufBytes WithTensors(const std::vector<TensorFields>& tensors, size_t data) {
  GgufBytes file;
  file.Header(tensors.size(), 0);
  for (const TensorFields& tensor : tensors) {
    file.Tensor(tensor.name, tensor.shape, tensor.type, tensor.offset);
  }
  return file.Pad().Raw(std::string(data, '\0'));
}

GgufMetadata OneOfEach() {
  GgufBytes file;
  file.Header(0, 12);
  file.Key("u8", Type::kU8).Number(uint8_t{255});
  file.Key("i8", Type::kI8).Number(int8_t{-1});
  file.Key("u16", Type::kU16).Number(uint16_t{65535});
  file.Key("i16", Type::kI16).Number(int16_t{-2});
  file.Key("u32", Type::kU32).Number(uint32_t{4294967295});
  file.Key("i32", Type::kI32).Number(int32_t{7});
  file.Key("f32", Type::kF32).Number(0.5F);
  file.Key("bool", Type::kBool).Number(uint8_t{1});
  file.Key("string", Type::kString).Text("text");
  file.Key("u64", Type::kU64).Number(uint64_t{1} << 63);
  file.Key("i64", Type::kI64).Number(int64_t{-3});
  file.Key("f64", Type::kF64).Number(0.25);
  return ParseGguf(file.bytes(), "f").metadata;
}

TEST(GgufTest, ReadsEveryTypeOfValue) {
  const GgufMetadata metadata = OneOfEach();
  EXPECT_EQ(metadata.Uint("u8"), 255u);
  EXPECT_EQ(metadata.Number("i8"), -1.0);
  EXPECT_EQ(metadata.Uint("u16"), 65535u);
  EXPECT_EQ(metadata.Number("i16"), -2.0);
  EXPECT_EQ(metadata.Uint("u32"), 4294967295u);
  EXPECT_EQ(metadata.Uint("i32"), 7u);
  EXPECT_EQ(metadata.Number("f32"), 0.5);
  EXPECT_EQ(metadata.Bool("bool"), true);
  EXPECT_EQ(metadata.Text("string"), "text");
  EXPECT_EQ(metadata.Uint("u64"), uint64_t{1} << 63);
  EXPECT_EQ(metadata.Number("i64"), -3.0);
  EXPECT_EQ(metadata.Number("f64"), 0.25);
}

TEST(GgufTest, GivesNothingForAMissingKey) {
  const GgufMetadata metadata = OneOfEach();
  EXPECT_FALSE(metadata.Uint("none"));
  EXPECT_FALSE(metadata.Text("none"));
  EXPECT_FALSE(metadata.Numbers("none"));
  EXPECT_EQ(metadata.Strings("none"), nullptr);
  EXPECT_FALSE(metadata.Has("none"));
}

TEST(GgufTest, NamesAValueOfAnotherType) {
  const GgufMetadata metadata = OneOfEach();
  EXPECT_EQ(ErrorMessage([&] { (void)metadata.Uint("f32"); }),
            "f: f32: found f32, expected whole numbers, zero or more");
  EXPECT_EQ(ErrorMessage([&] { (void)metadata.Uint("i8"); }),
            "f: i8: found -1, expected whole numbers, zero or more");
  EXPECT_EQ(ErrorMessage([&] { (void)metadata.Uint("bool"); }),
            "f: bool: found bool, expected whole numbers, zero or more");
  EXPECT_EQ(ErrorMessage([&] { (void)metadata.Text("u8"); }),
            "f: u8: found u8, expected a string");
  EXPECT_EQ(ErrorMessage([&] { (void)metadata.Strings("string"); }),
            "f: string: found string, expected an array of strings");
  EXPECT_EQ(ErrorMessage([&] { (void)metadata.Bool("u8"); }),
            "f: u8: found u8, expected a bool");
}

TEST(GgufTest, ReadsArrays) {
  const std::string bytes =
      GgufFile()
          .Texts("tokens", {"a", "", "\xc4\xa0the"})
          .Numbers<float>("scores", Type::kF32, {-1.5F, 2.0F})
          .Numbers<int32_t>("types", Type::kI32, {1, 3})
          .Numbers<uint8_t>("flags", Type::kBool, {1, 0})
          .bytes();
  const GgufMetadata metadata = ParseGguf(bytes, "f").metadata;
  const GgufStrings& tokens = *metadata.Strings("tokens");
  ASSERT_EQ(tokens.size(), 3u);
  EXPECT_EQ(tokens[0], "a");
  EXPECT_EQ(tokens[1], "");
  EXPECT_EQ(tokens[2], "\xc4\xa0the");
  EXPECT_THAT(*metadata.Numbers("scores"), ElementsAre(-1.5, 2.0));
  EXPECT_THAT(*metadata.Ints("types"), ElementsAre(1, 3));
  EXPECT_THAT(*metadata.Uints("types"), ElementsAre(1u, 3u));
  EXPECT_THAT(*metadata.Bools("flags"), ElementsAre(true, false));
  EXPECT_EQ(ErrorMessage([&] { (void)metadata.Text("tokens"); }),
            "f: tokens: found an array of 3 string, expected a string");
}

TEST(GgufTest, ReadsArraysInArrays) {
  GgufBytes file = WithValue(Type::kArray);
  file.Array(Type::kArray, 2);
  file.Array(Type::kU8, 2).Number(uint8_t{1}).Number(uint8_t{2});
  file.Array(Type::kString, 1).Text("x");
  const GgufMetadata metadata = ParseGguf(file.bytes(), "f").metadata;
  const GgufValue& value = *metadata.Find("k");
  ASSERT_EQ(value.size(), 2u);
  EXPECT_THAT(value.arrays[0].unsigneds, ElementsAre(1u, 2u));
  EXPECT_EQ(value.arrays[1].strings[0], "x");
}

TEST(GgufTest, ReadsTensorsInTheOrderOfTheirData) {
  const GgufHeader header =
      ParseGguf(WithTensors({{"b", {2, 32}, GgmlType::kQ4_0, 64},
                             {"a", {3, 4, 2}, GgmlType::kF16, 0}},
                            100)
                    .bytes(),
                "f");
  ASSERT_EQ(header.tensors.size(), 2u);
  EXPECT_EQ(header.tensors[0].name, "a");
  EXPECT_THAT(header.tensors[0].shape, ElementsAre(3u, 4u, 2u));
  EXPECT_EQ(header.tensors[0].bytes, 48u);
  EXPECT_EQ(header.tensors[0].offset, header.data_offset);
  EXPECT_EQ(header.tensors[1].bytes, 36u);
  EXPECT_EQ(header.tensors[1].offset, header.data_offset + 64);
  EXPECT_EQ(header.data_offset % 32, 0u);
}

TEST(GgufTest, ReadsVersion2) {
  EXPECT_EQ(ParseGguf(GgufBytes().Header(0, 0, 2).bytes(), "f").version, 2u);
}

TEST(GgufTest, UsesTheAlignmentOfTheFile) {
  GgufBytes file;
  file.Header(1, 1).Key("general.alignment", Type::kU32).Number(uint32_t{256});
  file.Tensor("t", {1}, GgmlType::kF32, 0).Pad(256).Number(1.0F);
  const GgufHeader header = ParseGguf(file.bytes(), "f");
  EXPECT_EQ(header.alignment, 256u);
  EXPECT_EQ(header.tensors[0].offset, 256u);
}

TEST(GgufTest, ReadsAFileLargerThanItsBuffer) {
  std::vector<std::string> tokens;
  for (int i = 0; i < 300'000; ++i) tokens.push_back(std::to_string(i));
  const TemporaryDirectory directory;
  const auto path =
      directory.Write("m.gguf", GgufFile()
                                    .Texts("tokens", tokens)
                                    .Text("long", std::string(3'000'000, 'x'))
                                    .Tensor("t", {1}, GgmlType::kF32, "abcd")
                                    .bytes());
  const File file = File::Open(path);
  EXPECT_TRUE(IsGguf(file));
  const GgufHeader header = ReadGgufHeader(file);
  const GgufStrings& read = *header.metadata.Strings("tokens");
  ASSERT_EQ(read.size(), tokens.size());
  for (size_t i = 0; i < tokens.size(); ++i) ASSERT_EQ(read[i], tokens[i]);
  EXPECT_EQ(header.metadata.Text("long")->size(), 3'000'000u);
  char data[4];
  file.ReadAt(header.tensors[0].offset,
              std::as_writable_bytes(std::span(data)));
  EXPECT_EQ(std::string_view(data, 4), "abcd");
}

TEST(GgufTest, RefusesAnotherMagicOrVersion) {
  EXPECT_EQ(MessageFor(GgufBytes().Raw("GG\x01X1234")),
            "f: magic: found \"GG\\x01X\", expected \"GGUF\"");
  EXPECT_EQ(MessageFor(GgufBytes().Header(0, 0, 1)),
            "f: version: found 1, expected 2 or 3");
  EXPECT_EQ(MessageFor(GgufBytes().Header(0, 0, 0x03000000)),
            "f: version: found 50331648, expected 2 or 3 (a big-endian file?)");
}

TEST(GgufTest, RefusesATruncatedFile) {
  EXPECT_EQ(MessageFor(GgufBytes().Raw("GG")),
            "f: magic: found 2 bytes left, expected 4 (is it truncated?)");
  EXPECT_EQ(MessageFor(WithValue(Type::kU64).Number(uint32_t{0})),
            "f: k: found 4 bytes left, expected 8 (is it truncated?)");
  EXPECT_EQ(MessageFor(WithTensors({{"t", {8}, GgmlType::kF32, 0}}, 31)),
            "f: t: found 32 bytes at offset 0, expected them within the 31 "
            "data bytes of the file (is it truncated?)");
}

TEST(GgufTest, RefusesEveryPrefixOfAFile) {
  const std::string whole = GgufFile()
                                .U32("a", 1)
                                .Texts("b", {"x", "y"})
                                .Tensor("t", {2}, GgmlType::kF32, "12345678")
                                .bytes();
  // Padding after the data may be missing.
  for (size_t i = 0; i < whole.size() - 24; ++i) {
    EXPECT_NE(ErrorMessage([&] { ParseGguf(whole.substr(0, i), "f"); }), "");
  }
}

TEST(GgufTest, RefusesCountsBeyondTheFile) {
  EXPECT_EQ(MessageFor(GgufBytes().Header(uint64_t{1} << 60, 0)),
            "f: number of tensors: found 1152921504606846976, expected at most "
            "0 in the 8 bytes left");
  EXPECT_EQ(MessageFor(GgufBytes().Header(0, 3)),
            "f: number of metadata: found 3, expected at most 0 in the 0 bytes "
            "left");
  EXPECT_EQ(
      MessageFor(WithValue(Type::kArray).Array(Type::kU64, uint64_t{1} << 61)),
      "f: k: found 2305843009213693952, expected at most 0 in the 0 bytes "
      "left");
  EXPECT_EQ(
      MessageFor(WithValue(Type::kArray).Array(Type::kString, 2).Text("")),
      "f: k: found 2, expected at most 1 in the 8 bytes left");
}

TEST(GgufTest, RefusesTooManyValuesAndElements) {
  EXPECT_EQ(MessageFor(GgufBytes().Header(0, 65537).Raw(
                std::string(65537 * 13, '\0'))),
            "f: number of metadata: found 65537, expected at most 65536");
  EXPECT_EQ(MessageFor(WithValue(Type::kArray)
                           .Array(Type::kU8, kMaxGgufElements + 1)
                           .Raw(std::string(kMaxGgufElements + 1, '\0'))),
            "f: k: found 16777217, expected at most 16777216");
  GgufBytes arrays = WithValue(Type::kArray).Array(Type::kArray, 65537);
  for (int i = 0; i < 65537; ++i) arrays.Array(Type::kU8, 0);
  EXPECT_EQ(MessageFor(arrays),
            "f: k: found more than 65536 arrays in arrays, expected fewer");
}

TEST(GgufTest, RefusesAStringBeyondTheFile) {
  EXPECT_EQ(
      MessageFor(WithValue(Type::kString).Number(~uint64_t{0}).Raw("abc")),
      "f: k: found a string of 18446744073709551615 bytes, expected at most "
      "the 3 left");
}

TEST(GgufTest, RefusesUnknownValueTypesAndBools) {
  EXPECT_EQ(MessageFor(WithValue(static_cast<Type>(13))),
            "f: k: found value type 13, expected one of 0 to 12");
  EXPECT_EQ(MessageFor(WithValue(Type::kBool).Number(uint8_t{2})),
            "f: k: found a bool of 2, expected 0 or 1");
}

TEST(GgufTest, RefusesDeeplyNestedArrays) {
  GgufBytes file = WithValue(Type::kArray);
  for (int i = 0; i < 100'000; ++i) file.Array(Type::kArray, 1);
  EXPECT_EQ(MessageFor(file),
            "f: k: found arrays nested deeper than 4, expected less");
}

TEST(GgufTest, RefusesDuplicates) {
  EXPECT_EQ(MessageFor(GgufBytes()
                           .Header(0, 2)
                           .Key("k", Type::kU8)
                           .Number(uint8_t{1})
                           .Key("k", Type::kU8)
                           .Number(uint8_t{1})),
            "f: k: found the key twice, expected it once");
  EXPECT_EQ(
      MessageFor(WithTensors(
          {{"t", {1}, GgmlType::kF32, 0}, {"t", {1}, GgmlType::kF32, 32}}, 64)),
      "f: t: found the tensor twice, expected once");
}

TEST(GgufTest, RefusesImpossibleShapes) {
  EXPECT_EQ(MessageFor(WithTensors({{"t", {}, GgmlType::kF32, 0}}, 64)),
            "f: t: found 0 dimensions, expected 1 to 4");
  EXPECT_EQ(
      MessageFor(WithTensors({{"t", {1, 1, 1, 1, 1}, GgmlType::kF32, 0}}, 64)),
      "f: t: found 5 dimensions, expected 1 to 4");
  EXPECT_EQ(MessageFor(WithTensors({{"t", {0, 3}, GgmlType::kF32, 0}}, 64)),
            "f: t: shape: found [0, 3], expected no zero");
  EXPECT_EQ(
      MessageFor(WithTensors(
          {{"t", {uint64_t{1} << 32, uint64_t{1} << 30}, GgmlType::kF32, 0}},
          64)),
      "f: t: shape: found [4294967296, 1073741824], expected a size that "
      "fits in 64 bits");
  EXPECT_EQ(MessageFor(WithTensors({{"t", {2, 48}, GgmlType::kQ4_0, 0}}, 64)),
            "f: t: found rows of 48 weights, expected a multiple of 32 for "
            "Q4_0");
}

TEST(GgufTest, RefusesAnUnknownTensorType) {
  EXPECT_EQ(
      MessageFor(WithTensors({{"t", {1}, static_cast<GgmlType>(4), 0}}, 64)),
      "f: t: found tensor type 4, expected one that ggml defines");
}

TEST(GgufTest, RefusesImpossibleOffsets) {
  EXPECT_EQ(MessageFor(WithTensors({{"t", {1}, GgmlType::kF32, 4}}, 64)),
            "f: t: offset: found 4, expected a multiple of 32");
  EXPECT_EQ(
      MessageFor(WithTensors({{"t", {1}, GgmlType::kF32, ~uint64_t{31}}}, 64)),
      "f: t: found 4 bytes at offset 18446744073709551584, expected them "
      "within the 64 data bytes of the file (is it truncated?)");
  EXPECT_EQ(
      MessageFor(WithTensors(
          {{"t", {9}, GgmlType::kF32, 0}, {"u", {1}, GgmlType::kF32, 32}}, 64)),
      "f: u: offset: found an overlap of 4 bytes with t, expected none");
}

TEST(GgufTest, RefusesAnImpossibleAlignment) {
  for (const uint32_t alignment : {0u, 24u, 1u << 21}) {
    EXPECT_EQ(MessageFor(GgufBytes()
                             .Header(0, 1)
                             .Key("general.alignment", Type::kU32)
                             .Number(alignment)),
              "f: general.alignment: found " + std::to_string(alignment) +
                  ", expected a power of two up to 1048576");
  }
}

}  // namespace
}  // namespace ram
