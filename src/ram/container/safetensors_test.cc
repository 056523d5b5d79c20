#include "ram/container/safetensors.h"

#include <gtest/gtest.h>

#include <string>

#include "ram/base/error.h"
#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

// What ParseSafetensorsHeader says about this header over `data` data bytes.
std::string MessageFor(const std::string& header, uint64_t data) {
  return ErrorMessage(
      [&] { ParseSafetensorsHeader(header, 8 + header.size() + data, "f"); });
}

std::string Prefix(uint64_t length) {
  std::string prefix;
  for (int i = 0; i < 8; ++i) {
    prefix += static_cast<char>(length >> (8 * i) & 0xFF);
  }
  return prefix;
}

// What ReadSafetensorsHeader says about a file of these bytes, with the
// file's path replaced by "f".
std::string FileMessageFor(const std::string& bytes) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("a.safetensors", bytes);
  std::string message =
      ErrorMessage([&] { ReadSafetensorsHeader(File::Open(path)); });
  const size_t at = message.find(path.string());
  if (at != message.npos) message.replace(at, path.string().size(), "f");
  return message;
}

TEST(SafetensorsTest, ReadsWhatItLaysOut) {
  const SafetensorsLayout layout = LayOutSafetensors(
      {{"b", DType::kBF16, {2, 3}}, {"a\"\n", DType::kU32, {}}},
      {{"format", "mlx"}});
  const SafetensorsHeader header = ParseSafetensorsHeader(
      std::string_view(layout.prefix).substr(8), layout.file_bytes, "f");
  ASSERT_EQ(header.entries.size(), 2u);
  EXPECT_EQ(header.entries[0].name, "b");
  EXPECT_EQ(header.entries[0].shape, (std::vector<uint64_t>{2, 3}));
  EXPECT_EQ(header.entries[0].begin, layout.offsets[0]);
  EXPECT_EQ(header.entries[1].name, "a\"\n");
  EXPECT_EQ(header.entries[1].end, layout.file_bytes);
  EXPECT_EQ(header.metadata.at("format"), "mlx");
  EXPECT_EQ(layout.prefix.size() % 8, 0u);
}

TEST(SafetensorsTest, SortsByOffset) {
  const std::string text =
      R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,2]},)"
      R"("b":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}})";
  const auto header = ParseSafetensorsHeader(text, 8 + text.size() + 2, "f");
  EXPECT_EQ(header.entries[0].name, "b");
}

TEST(SafetensorsTest, RefusesATruncatedFile) {
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}})",
                 12),
      "f: a: data_offsets: found [0, 16], expected an end within the 12 data "
      "bytes of the file (is it truncated?)");
  EXPECT_EQ(FileMessageFor("abc"),
            "f: found 3 bytes, expected a safetensors file of at least 8");
}

TEST(SafetensorsTest, RefusesAHeaderThatIsTooLong) {
  EXPECT_EQ(FileMessageFor(Prefix(100'000'001) + "{}"),
            "f: header length: found 100000001 bytes, expected at most "
            "100000000");
  EXPECT_EQ(FileMessageFor(Prefix(50) + "{}"),
            "f: header length: found 50 bytes, expected at most the 2 that "
            "follow in the file (is it truncated?)");
}

TEST(SafetensorsTest, NamesAGgufFile) {
  EXPECT_EQ(FileMessageFor("GGUF0123456789"),
            "f: found a GGUF file, expected safetensors");
}

TEST(SafetensorsTest, RefusesAHeaderThatIsNotJson) {
  EXPECT_EQ(MessageFor("{nonsense", 0).substr(0, 47),
            "f: header: JSON: found an error at byte 3 (synt");
  EXPECT_EQ(MessageFor("[]", 0),
            "f: header: found array, expected a JSON object");
}

TEST(SafetensorsTest, RefusesDeeplyNestedJson) {
  EXPECT_EQ(
      MessageFor("{\"a\":" + std::string(1000000, '['), 0),
      "f: header: JSON: found nesting deeper than 8 levels, expected less");
}

TEST(SafetensorsTest, RefusesDuplicateNames) {
  const std::string entry =
      R"("a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]})";
  EXPECT_EQ(MessageFor("{" + entry + "," + entry + "}", 1),
            "f: header: key 'a': found twice in one object, expected once");
}

TEST(SafetensorsTest, RefusesNegativeAndFractionalOffsets) {
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[-1,0]}})",
                 1),
      "f: a: data_offsets: found [-1,0], expected whole numbers, zero or more");
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1.5]}})",
                 1),
      "f: a: data_offsets: found [0,1.5], expected whole numbers, zero or "
      "more");
}

TEST(SafetensorsTest, RefusesReversedOffsets) {
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[1,0]}})", 1),
      "f: a: data_offsets: found [1, 0], expected [begin, end]");
}

TEST(SafetensorsTest, RefusesAnOverlap) {
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                 R"("b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}})",
                 3),
      "f: b: data_offsets: found an overlap of 1 bytes with a, expected none");
}

TEST(SafetensorsTest, RefusesAGap) {
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},)"
                 R"("b":{"dtype":"U8","shape":[2],"data_offsets":[3,5]}})",
                 5),
      "f: b: data_offsets: found a gap of 1 bytes before it, expected none");
}

TEST(SafetensorsTest, RefusesExtraBytes) {
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]}})", 7),
      "f: found 5 bytes after the last tensor, expected none");
}

TEST(SafetensorsTest, RefusesAShapeThatOverflows) {
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"F32","shape":[4294967296,4294967296],)"
                 R"("data_offsets":[0,0]}})",
                 0),
      "f: a: shape: found [4294967296, 4294967296], expected a size that fits "
      "in 64 bits");
}

TEST(SafetensorsTest, RefusesASizeThatContradictsTheShape) {
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"F32","shape":[2,2],"data_offsets":[0,8]}})",
                 8),
      "f: a: data_offsets: found 8 bytes, expected 16 for F32 [2, 2]");
}

TEST(SafetensorsTest, RefusesAnUnknownDType) {
  EXPECT_EQ(
      MessageFor(R"({"a":{"dtype":"F3","shape":[1],"data_offsets":[0,1]}})", 1),
      "f: a: dtype: found \"F3\", expected one of BF16, F16, F32, F8_E4M3 or "
      "another safetensors type");
}

TEST(SafetensorsTest, RefusesAMissingField) {
  EXPECT_EQ(MessageFor(R"({"a":{"dtype":"U8","shape":[1]}})", 1),
            "f: a: found no 'data_offsets', expected one");
  EXPECT_EQ(MessageFor(R"({"a":3})", 1),
            "f: a: found no 'dtype', expected one");
}

TEST(SafetensorsTest, RefusesMetadataThatIsNotText) {
  EXPECT_EQ(MessageFor(R"({"__metadata__":{"n":1}})", 0),
            "f: __metadata__: found {\"n\":1}, expected an object of strings");
}

TEST(SafetensorsTest, TakesNullForNoMetadata) {
  const std::string header = R"({"__metadata__":null})";
  const auto parsed = ParseSafetensorsHeader(header, 8 + header.size(), "f");
  EXPECT_TRUE(parsed.metadata.empty());
  EXPECT_TRUE(parsed.entries.empty());
}

TEST(SafetensorsTest, AcceptsEmptyTensors) {
  const std::string text =
      R"({"a":{"dtype":"U8","shape":[0,5],"data_offsets":[0,0]}})";
  const auto header = ParseSafetensorsHeader(text, 8 + text.size(), "f");
  EXPECT_EQ(header.entries[0].bytes(), 0u);
}

}  // namespace
}  // namespace ram
