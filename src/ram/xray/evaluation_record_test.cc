#include "ram/xray/evaluation_record.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/base/error.h"
#include "ram/base/json.h"

namespace ram {
namespace {

using ::testing::HasSubstr;

OrderedJson EvaluatedEntry(const char* path, double ppl) {
  return {{"path", path},        {"bytes", 1000},           {"bpw", 4.5},
          {"nominal_bits", 4.0}, {"seconds", 1.0},          {"ppl", ppl},
          {"median_ppl", ppl},   {"window_nll", {1.0, 2.0}}};
}

OrderedJson Report() {
  return {
      {"version", 1},
      {"tool", "ram"},
      {"protocol",
       {{"task", "perplexity"},
        {"data", "text.txt"},
        {"window_numbers", {3, 8}}}},
      {"models", {EvaluatedEntry("base", 10.0), EvaluatedEntry("small", 10.5)}},
      {"warnings", OrderedJson::array()},
      {"agreement", OrderedJson::array()}};
}

std::string ErrorOf(const OrderedJson& report) {
  try {
    ParseEvaluation(report.dump(), "r.json");
  } catch (const Error& error) {
    return error.what();
  }
  return "no error";
}

std::vector<std::string> Kinds(const OrderedJson& report) {
  std::vector<std::string> kinds;
  for (const Finding& finding :
       DescribeEvaluation(ParseEvaluation(report.dump(), "r.json"))) {
    kinds.push_back(finding.kind);
  }
  return kinds;
}

TEST(EvaluationRecordTest, SaysWhatWasLost) {
  const auto findings =
      DescribeEvaluation(ParseEvaluation(Report().dump(), "r.json"));
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(findings[0].sentence,
              HasSubstr("perplexity 10.500 against 10.000 (+5.00 %)"));
}

TEST(EvaluationRecordTest, WarnsOfACompressedModelThatLooksBetter) {
  OrderedJson report = Report();
  report["models"][1]["ppl"] = 9.9;
  EXPECT_THAT(Kinds(report),
              ::testing::ElementsAre("perplexity", "better-than-original"));
}

TEST(EvaluationRecordTest, WarnsOfAHigherAccuracy) {
  OrderedJson report = Report();
  report["protocol"]["task"] = "arc";
  for (const size_t i : {0u, 1u}) {
    report["models"][i].erase("ppl");
    report["models"][i]["acc"] = i == 0 ? 0.5 : 0.52;
  }
  EXPECT_THAT(Kinds(report),
              ::testing::ElementsAre("accuracy", "better-than-original"));
}

TEST(EvaluationRecordTest, PassesTheReportsWarningsOn) {
  OrderedJson report = Report();
  report["warnings"].push_back("3 windows collapse");
  EXPECT_THAT(Kinds(report),
              ::testing::ElementsAre("perplexity", "report-warning"));
}

TEST(EvaluationRecordTest, NamesWhatIsWrong) {
  OrderedJson report = Report();
  report["version"] = 2;
  EXPECT_EQ(ErrorOf(report), "r.json: version: found 2, expected 1");
  report = Report();
  report["models"][0]["bytes"] = -5;
  EXPECT_THAT(ErrorOf(report), HasSubstr("bytes: found number"));
  report = Report();
  report["models"][0]["ppl"] = "ten";
  EXPECT_EQ(ErrorOf(report),
            "r.json: models: ppl: found string, expected a number");
  report = Report();
  report.erase("models");
  EXPECT_THAT(ErrorOf(report), HasSubstr("r.json: models: missing"));
  report = Report();
  report["models"] = OrderedJson::array();
  EXPECT_THAT(ErrorOf(report), HasSubstr("models: found none"));
  report = Report();
  report["models"][1]["window_nll"].push_back(1.0);
  EXPECT_THAT(ErrorOf(report), HasSubstr("found 3 windows, expected 2"));
  report = Report();
  report["models"][1]["outliers"] = {{{"window", 3}, {"ppl", 9.0}}};
  EXPECT_THAT(ErrorOf(report), HasSubstr("outliers: text: missing"));
  report = Report();
  report["protocol"] = 3;
  EXPECT_THAT(ErrorOf(report), HasSubstr("protocol: found number"));
}

}  // namespace
}  // namespace ram
