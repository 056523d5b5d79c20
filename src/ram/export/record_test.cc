#include "ram/export/record.h"

#include <gtest/gtest.h>

#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

Record SmallRecord() {
  Record record;
  record.tool = "ram 0.1.0";
  record.target = "mlx";
  record.architecture = "Qwen3ForCausalLM";
  record.plan_sha256 = std::string(64, 'a');
  record.options = {{"target", "mlx"}, {"policy", "uniform"}, {"bits", 4}};
  record.inputs = {{"model.safetensors", 123, std::string(64, 'b')},
                   {"config.json", 7, ""}};
  record.outputs = {{"model.safetensors", 45, std::string(64, 'c')}};
  record.units = {
      {"lm_head", 0.1, DType::kF16, {96, 128}, 2, {1, ~uint64_t{0}}, {}},
      {"m.gate_up_proj",
       0.2,
       DType::kBF16,
       {4, 32},
       0,
       {5},
       {{"m.gate_proj", {3, 32}}, {"m.up_proj", {1, 32}}}}};
  record.plain = {{"model.norm.weight", DType::kBF16, {128}, 0xabc}};
  record.audit = {{"holds", true}};
  return record;
}

// `from` replaced by `to` in the text of a good record.
std::string MessageFor(std::string_view from, std::string_view to) {
  std::string text = RecordToJson(SmallRecord());
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  return ErrorMessage([&] { RecordFromJson(text, "ram.json"); });
}

TEST(RecordTest, SurvivesARoundTrip) {
  const std::string text = RecordToJson(SmallRecord());
  EXPECT_EQ(RecordToJson(RecordFromJson(text, "ram.json")), text);
}

TEST(RecordTest, KeepsEveryFieldOfAUnit) {
  const Record read = RecordFromJson(RecordToJson(SmallRecord()), "ram.json");
  ASSERT_EQ(read.units.size(), 2u);
  EXPECT_EQ(read.units[0].unit, "lm_head");
  EXPECT_EQ(read.units[0].nmse, 0.1);
  EXPECT_EQ(read.units[0].dtype, DType::kF16);
  EXPECT_EQ(read.units[0].shape, (std::vector<uint64_t>{96, 128}));
  EXPECT_EQ(read.units[0].nonfinite, 2u);
  EXPECT_EQ(read.units[0].xxh3, (std::vector<uint64_t>{1, ~uint64_t{0}}));
  EXPECT_TRUE(read.units[0].modules.empty());
  EXPECT_EQ(read.units[1].modules, SmallRecord().units[1].modules);
}

TEST(RecordTest, WritesAnAbsentDigestAsNull) {
  const Json json = Json::parse(RecordToJson(SmallRecord()));
  EXPECT_TRUE(json["inputs"][1]["sha256"].is_null());
  EXPECT_TRUE(json["manifest_sha256"].is_null());
}

TEST(RecordTest, NamesAMissingField) {
  EXPECT_EQ(MessageFor("\"plan_sha256\"", "\"plan\""),
            "ram.json: plan_sha256: found nothing, expected a string");
}

TEST(RecordTest, NamesAFieldOfAnotherType) {
  EXPECT_EQ(MessageFor("\"bytes\":123", "\"bytes\":-1"),
            "ram.json: bytes: found -1, expected a whole number, zero or more");
}

TEST(RecordTest, RefusesAHashThatIsNotHexadecimal) {
  EXPECT_EQ(MessageFor("\"0000000000000abc\"", "\"0000000000000xyz\""),
            "ram.json: xxh3: found \"0000000000000xyz\", expected 16 "
            "hexadecimal digits");
}

TEST(RecordTest, RefusesAnOutputOutsideTheDirectory) {
  EXPECT_EQ(MessageFor("\"outputs\": [\n  {\"name\":\"",
                       "\"outputs\": [\n  {\"name\":\"../"),
            "ram.json: outputs: name: found \"../model.safetensors\", expected "
            "a plain file name");
}

TEST(RecordTest, RefusesAnotherVersion) {
  EXPECT_EQ(MessageFor("\"version\": 1", "\"version\": 2"),
            "ram.json: version: found 2, expected 1");
}

TEST(RecordTest, IgnoresUnknownFields) {
  EXPECT_EQ(MessageFor("\"version\": 1", "\"version\": 1, \"later\": [1]"), "");
}

}  // namespace
}  // namespace ram
