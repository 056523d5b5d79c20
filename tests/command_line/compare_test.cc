// `ram compare` as its user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "command_line/program.h"
#include "command_line/tiny_model.h"
#include "ram/base/json.h"

namespace ram {
namespace {

using ::testing::HasSubstr;

class CompareCommandTest : public ProgramTest {
 protected:
  CompareCommandTest() { model_.Write(directory_ / "model"); }

  TinyModel model_;
};

TEST_F(CompareCommandTest, TellsACompressedModelFromItsOriginal) {
  ASSERT_EQ(Ram("compress model -o out --policy uniform").code, 0);
  const Outcome outcome = Ram("compare model out");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("15 of 15 matrices changed."));
  EXPECT_THAT(outcome.out, HasSubstr("were quantised (4-bit g64)"));
  EXPECT_THAT(outcome.out, HasSubstr("config.json differs in"));
}

TEST_F(CompareCommandTest, FindsNothingInACopy) {
  model_.Write(directory_ / "copy");
  const Outcome outcome = Ram("compare model copy");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out,
              HasSubstr("All 15 matrices are the same, weight for weight."));
}

TEST_F(CompareCommandTest, PrintsEveryMatrixAsJson) {
  model_.config["rope_theta"] = 20000.0;
  model_.Write(directory_ / "other");
  const Outcome outcome = Ram("compare model other --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["matrices"].size(), 15u);
  EXPECT_EQ(json["matrices"][0]["kind"], "same");
  ASSERT_EQ(json["config"].size(), 1u);
  EXPECT_EQ(json["config"][0]["key"], "rope_theta");
  EXPECT_EQ(json["config"][0]["tuned"], "20000.0");
}

TEST_F(CompareCommandTest, RefusesWhatIsNotThere) {
  EXPECT_EQ(Ram("compare model").code, 2);
  EXPECT_EQ(Ram("compare model nothing").code, 5);
}

}  // namespace
}  // namespace ram
