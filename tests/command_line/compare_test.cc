// `ram compare` as its user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/wait.h>

#include <filesystem>
#include <string>

#include "command_line/tiny_model.h"
#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/base/temporary_directory.h"

namespace ram {
namespace {

using ::testing::HasSubstr;

struct Outcome {
  int code = 0;
  std::string out;
  std::string err;
};

class CompareCommandTest : public testing::Test {
 protected:
  CompareCommandTest() { model_.Write(directory_ / "model"); }

  Outcome Ram(const std::string& arguments) {
    const std::string command = "cd '" + directory_.path().string() + "' && '" +
                                RAM_PROGRAM + "' " + arguments +
                                " >.out 2>.err </dev/null";
    const int status = std::system(command.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1,
            ReadTextFile(directory_ / ".out"),
            ReadTextFile(directory_ / ".err")};
  }

  TemporaryDirectory directory_;
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
