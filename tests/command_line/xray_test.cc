// `ram xray` as its user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <string>

#include "command_line/program.h"
#include "command_line/tiny_model.h"
#include "ram/base/json.h"

namespace ram {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

class XrayCommandTest : public ProgramTest {
 protected:
  XrayCommandTest() { model_.Write(directory_ / "model"); }

  TinyModel model_;
};

TEST_F(XrayCommandTest, SaysInWordsWhatAModelIs) {
  const Outcome outcome = Ram("xray model");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, StartsWith("\nWhat it is\n- "));
  EXPECT_THAT(outcome.out, HasSubstr("303,744 weights in 15"));
  EXPECT_THAT(outcome.out, HasSubstr("\nLimits\n"));
  EXPECT_EQ(Ram("xray model --text").out, outcome.out);
}

TEST_F(XrayCommandTest, NamesWhatIsBroken) {
  auto& up = model_.tensors["model.layers.1.mlp.up_proj.weight"].values;
  std::fill_n(up.begin() + 128 * 7, 128, 0.0f);  // row 7
  model_.Write(directory_ / "broken");
  const Outcome outcome = Ram("xray broken");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\nAnomalies\n! "));
  EXPECT_THAT(outcome.out, HasSubstr("model.layers.1.mlp.up_proj"));
}

TEST_F(XrayCommandTest, TheManifestSaysWhatTheModelSays) {
  ASSERT_EQ(Ram("analyze model -o analysis --spectra").code, 0);
  const Json model = Json::parse(Ram("xray model --json").out);
  std::filesystem::remove_all(directory_ / "model");
  const Outcome outcome = Ram("xray analysis --json");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  const Json read = Json::parse(outcome.out);
  EXPECT_EQ(read["models"][0]["name"], "analysis");
  EXPECT_EQ(read["models"][0]["anomalies"], model["models"][0]["anomalies"]);
  EXPECT_EQ(read["models"][0]["fragility"], model["models"][0]["fragility"]);
  EXPECT_EQ(read["models"][0]["verdict"]["sensitivity_span"],
            model["models"][0]["verdict"]["sensitivity_span"]);
}

TEST_F(XrayCommandTest, WritesAPageAndNeverOverAnother) {
  ASSERT_EQ(Ram("compress model -o small --bpw 5").code, 0);
  const Outcome outcome = Ram("xray model --plan small -o page.html");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("written: page.html\n"));
  const std::string page = ReadTextFile(directory_ / "page.html");
  EXPECT_THAT(page, StartsWith("<!DOCTYPE html>"));
  EXPECT_THAT(page, HasSubstr("<section id=\"plan\""));
  EXPECT_THAT(page, Not(HasSubstr("src=\"http")));
  const Outcome again = Ram("xray model -o page.html");
  EXPECT_EQ(again.code, 5);
  EXPECT_THAT(again.err, HasSubstr("page.html"));
  EXPECT_EQ(ReadTextFile(directory_ / "page.html"), page);
}

TEST_F(XrayCommandTest, PutsModelsSideBySide) {
  ASSERT_EQ(Ram("compress model -o small --policy uniform").code, 0);
  const Outcome outcome = Ram("xray model small");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("\n== model\n"));
  EXPECT_THAT(outcome.out, HasSubstr("\n== small\n"));
  const Outcome plan = Ram("xray model small --plan small");
  EXPECT_EQ(plan.code, 2);
  EXPECT_THAT(plan.err, HasSubstr("a plan belongs to one model"));
}

TEST_F(XrayCommandTest, TakesTheReportOfItsModelAndNoOther) {
  Json original = {{"path", "some/model"},
                   {"bytes", 607'488},
                   {"bpw", 16},
                   {"ppl", 20.0},
                   {"weights", 303'744}};
  Json small = original;
  small.update({{"path", "some/small"}, {"ppl", 21.0}});
  Json report = {{"version", 1},
                 {"protocol", {{"task", "perplexity"}, {"data", "a/b/text"}}},
                 {"models", {original, small}},
                 {"warnings", Json::array()},
                 {"agreement", Json::array()}};
  directory_.Write("report.json", report.dump());
  const Outcome good = Ram("xray model --evaluation report.json -o page.html");
  EXPECT_EQ(good.code, 0) << good.err;
  const std::string page = ReadTextFile(directory_ / "page.html");
  const std::string words = page.substr(0, page.find("<section id=\"anomal"));
  EXPECT_THAT(words, HasSubstr("perplexity 21.000 against 20.000"));
  for (Json& model : report["models"]) model["weights"] = 99;
  directory_.Write("other.json", report.dump());
  const Outcome other = Ram("xray model --evaluation other.json");
  EXPECT_EQ(other.code, 3);
  EXPECT_THAT(other.err, HasSubstr("found some/model with 99 weights, expected "
                                   "about the 303744 of model"));
}

TEST_F(XrayCommandTest, RefusesWhatItCannotRead) {
  EXPECT_EQ(Ram("xray").code, 2);
  EXPECT_EQ(Ram("xray nothing").code, 5);
  directory_.Write("cut.json", "{\"version\": 1, \"tensors\": [");
  const Outcome cut = Ram("xray cut.json -o page.html");
  EXPECT_EQ(cut.code, 3);
  EXPECT_THAT(cut.err, HasSubstr("cut.json"));
  directory_.Write("report.json", "{\"version\": 99}");
  const Outcome report = Ram("xray model --evaluation report.json");
  EXPECT_EQ(report.code, 4);
  EXPECT_THAT(report.err, HasSubstr("report.json"));
  EXPECT_FALSE(std::filesystem::exists(directory_ / "page.html"));
}

}  // namespace
}  // namespace ram
