#include "ram/allocation/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/allocation/allocate.h"
#include "ram/allocation/test_manifest.h"
#include "ram/base/error.h"

namespace ram {
namespace {

class PlanTest : public testing::Test {
 protected:
  PlanTest()
      : manifest_(TestManifest(TinyConfig())),
        target_(FindTarget("mlx")),
        layout_(target_.Describe(manifest_.model)),
        plan_(Allocate(manifest_, target_, {})) {}

  // The message of MatchPlan on plan_.
  std::string Message() const {
    try {
      (void)MatchPlan(plan_, manifest_.model, layout_, "plan.json");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCorrupt);
      return error.what();
    }
    return "";
  }
  std::string ReadMessage(const std::string& text) const {
    try {
      (void)PlanFromJson(text, "plan.json");
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kCorrupt);
      return error.what();
    }
    return "";
  }
  std::string Replaced(std::string_view from, std::string_view to) const {
    std::string text = PlanToJson(plan_);
    const size_t at = text.find(from);
    EXPECT_NE(at, text.npos);
    return text.replace(at, from.size(), to);
  }

  Manifest manifest_;
  const Target& target_;
  TargetLayout layout_;
  Plan plan_;
};

TEST_F(PlanTest, SurvivesWritingAndReadingToTheByte) {
  const std::string text = PlanToJson(plan_);
  EXPECT_EQ(PlanToJson(PlanFromJson(text, "plan.json")), text);
}

TEST_F(PlanTest, HoldsTheFieldsOfTheDesign) {
  const Json json = Json::parse(PlanToJson(plan_));
  EXPECT_EQ(json["version"], 1);
  EXPECT_EQ(json["target"], "mlx");
  EXPECT_EQ(json["policy"], "optimal");
  const Json& unit = json["units"][0];
  EXPECT_EQ(unit["unit"], "model.embed_tokens");
  EXPECT_EQ(unit["tensors"], Json{"model.embed_tokens.weight"});
  for (const char* key :
       {"scheme", "bits", "group_size", "bytes", "score", "reason"}) {
    EXPECT_TRUE(unit.contains(key)) << key;
  }
  for (const char* key : {"bytes", "file_bytes", "weights", "nominal_bits",
                          "bpw", "weights_per_bits"}) {
    EXPECT_TRUE(json["totals"].contains(key)) << key;
  }
}

TEST_F(PlanTest, MatchesTheModelItWasMadeFor) {
  const auto schemes = MatchPlan(plan_, manifest_.model, layout_, "plan.json");
  ASSERT_EQ(schemes.size(), plan_.units.size());
  EXPECT_EQ(schemes[3], plan_.units[3].scheme);
}

TEST_F(PlanTest, CountsTheBytesOfTheFiles) {
  std::vector<Scheme> schemes;
  for (const PlannedUnit& unit : plan_.units) schemes.push_back(unit.scheme);
  uint64_t bytes = 0, tensors = 0;
  for (const auto& file : target_.LayOutFiles(layout_, schemes)) {
    bytes += file.file_bytes;
    for (const StoredTensor& tensor : file.tensors) tensors += tensor.bytes;
  }
  EXPECT_EQ(plan_.totals.file_bytes, bytes);
  EXPECT_EQ(plan_.totals.bytes, tensors);
  EXPECT_EQ(plan_.totals.weights, manifest_.model.weights());
}

TEST_F(PlanTest, ReportsAnEntryThatIsMissing) {
  plan_.units.pop_back();
  EXPECT_EQ(Message(),
            "plan.json: units: found no entry for lm_head, expected one for "
            "every unit of the model");
}

TEST_F(PlanTest, ReportsAnEntryThatNamesNoUnit) {
  plan_.units.push_back(plan_.units.back());
  plan_.units.back().unit = "model.layers.9.mlp.up_proj";
  EXPECT_EQ(Message(),
            "plan.json: units: model.layers.9.mlp.up_proj: found no such unit "
            "in the model, expected one of its 23 (was the plan made for "
            "another model or target?)");
}

TEST_F(PlanTest, ReportsAnEntryThatIsThereTwice) {
  plan_.units.push_back(plan_.units.front());
  EXPECT_EQ(Message(),
            "plan.json: units: model.embed_tokens: found twice, expected once");
}

TEST_F(PlanTest, ReportsEntriesInAnotherOrder) {
  std::swap(plan_.units[0], plan_.units[1]);
  EXPECT_EQ(Message(),
            "plan.json: units: found model.layers.0.self_attn.q_proj in the "
            "place of model.embed_tokens, expected the units in the order of "
            "the model");
}

TEST_F(PlanTest, ReportsAMemberOfAnotherName) {
  plan_.units[0].tensors[0] = "wte.weight";
  EXPECT_EQ(Message(),
            "plan.json: units: model.embed_tokens: tensors: found wte.weight, "
            "expected model.embed_tokens.weight (was the plan made for another "
            "model?)");
}

TEST_F(PlanTest, ReportsASchemeThatIsIllegal) {
  Json config = TinyConfig();
  config["intermediate_size"] = 96u;
  manifest_ = TestManifest(config);
  layout_ = target_.Describe(manifest_.model);
  plan_ = Allocate(manifest_, target_, {});
  ASSERT_EQ(plan_.units[7].unit, "model.layers.0.mlp.down_proj");
  plan_.units[7].scheme = Affine(4, 64);
  EXPECT_EQ(Message(),
            "plan.json: units: model.layers.0.mlp.down_proj: found 4-bit g64, "
            "expected one of the 7 schemes legal for rows of 96 weights");
}

TEST_F(PlanTest, ReportsBytesThatDoNotFollowFromTheScheme) {
  plan_.units[0].scheme = Affine(4, 64);
  plan_.units[0].bytes = 5;
  EXPECT_EQ(Message(),
            "plan.json: units: model.embed_tokens: bytes: found 5, expected "
            "73728 for 4-bit g64");
}

TEST_F(PlanTest, NamesAMissingField) {
  EXPECT_EQ(ReadMessage(
                Replaced("\"encoder\":\"search\",\"weights\"", "\"weights\"")),
            "plan.json: units: model.embed_tokens: encoder: found nothing, "
            "expected a string");
}

TEST_F(PlanTest, RefusesBitsThatNoCodecHas) {
  EXPECT_EQ(
      ReadMessage(Replaced("\"scheme\":\"affine\",\"bits\":",
                           "\"scheme\":\"affine\",\"bits\":1")),
      "plan.json: units: model.embed_tokens: scheme: found 'affine' with "
      "1" +
          std::to_string(plan_.units[0].scheme.bits) + " bits and group size " +
          std::to_string(plan_.units[0].scheme.group_size) +
          ", expected affine with 2, 3, 4, 5, 6 or 8 bits and 32, 64 or "
          "128; int with the same bits and 32 or 128; kquant with a type and "
          "its bits and block; or float with 16 and 0");
}

TEST_F(PlanTest, RefusesANegativeCount) {
  EXPECT_EQ(
      ReadMessage(Replaced("\"weights\":", "\"weights\":-")).substr(0, 56),
      "plan.json: units: model.embed_tokens: weights: found -13");
}

}  // namespace
}  // namespace ram
