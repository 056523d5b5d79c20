// `ram fit` as its user meets it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <string>

#include "command_line/program.h"
#include "command_line/tiny_model.h"
#include "ram/base/json.h"

namespace ram {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class FitCommandTest : public ProgramTest {
 protected:
  FitCommandTest() { model_.Write(directory_ / "model"); }

  TinyModel model_;
};

TEST_F(FitCommandTest, ReadsOnlyHeadersOfAModel) {
  const Outcome outcome = Ram("fit model --memory 8MiB --context 256");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("Best in 8.00 MiB with 256 tokens: as "
                                     "stored, 16.0"));
  EXPECT_THAT(outcome.out, HasSubstr("run `ram analyze MODEL -o DIR`"));
  // 2 layers x (64 + 64) x 256 tokens x 2 bytes
  EXPECT_THAT(outcome.out, HasSubstr("131,072"));
}

TEST_F(FitCommandTest, PredictsTheLossOfAnAnalysedModel) {
  ASSERT_EQ(Ram("analyze model -o analysis").code, 0);
  const Outcome outcome =
      Ram("fit analysis --memory 1500kB --context 256 --json");
  ASSERT_EQ(outcome.code, 0) << outcome.err;
  const Json json = Json::parse(outcome.out);
  EXPECT_EQ(json["measured"], true);
  const Json best = json["rows"][json["best"].get<size_t>()];
  EXPECT_EQ(best["policy"], "optimal");
  EXPECT_LE(best["total_bytes"], 1'500'000);
  // What it says is what compress writes.
  const Outcome written =
      Ram("compress model -o out --json --size " +
          std::to_string(json["room_bytes"].get<uint64_t>()) + "B");
  ASSERT_EQ(written.code, 0) << written.err;
  EXPECT_EQ(Json::parse(written.out)["totals"]["file_bytes"],
            best["weight_bytes"]);
}

TEST_F(FitCommandTest, NeedsNoWeights) {
  std::filesystem::remove(directory_ / "model/model.safetensors");
  const Outcome outcome = Ram("fit model --memory macbook-16gb");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("found config.json and no weights"));
  EXPECT_THAT(outcome.out, HasSubstr("macOS lets the GPU use 2/3"));
}

TEST_F(FitCommandTest, CountsWhatVllmTakes) {
  const Outcome outcome =
      Ram("fit model --memory rtx-4090 --target vllm --kv fp8 --context 250 "
          "--batch 4");
  EXPECT_EQ(outcome.code, 0) << outcome.err;
  // 92 % of 23.64 GiB.
  EXPECT_THAT(outcome.out, HasSubstr("21.7 GiB"));
  EXPECT_THAT(outcome.out, HasSubstr("gpu_memory_utilization"));
  // 2 layers x (64 + 64) x 256 tokens x 4 texts
  EXPECT_THAT(outcome.out, HasSubstr("262,144"));
  EXPECT_THAT(outcome.out, HasSubstr("uniform int4 g128"));
  EXPECT_THAT(outcome.out, HasSubstr("note: vLLM was not run"));
}

TEST_F(FitCommandTest, ListsMachines) {
  const Outcome outcome = Ram("fit --machines");
  EXPECT_EQ(outcome.code, 0);
  EXPECT_THAT(outcome.out, HasSubstr("rtx-4090"));
  EXPECT_THAT(outcome.out, HasSubstr("github.com/ollama/ollama/issues/434"));
}

TEST_F(FitCommandTest, RefusesWhatMakesNoSense) {
  EXPECT_EQ(Ram("fit model").code, 2);
  EXPECT_EQ(Ram("fit --memory 1GiB").code, 2);
  EXPECT_EQ(Ram("fit model --memory lots").code, 2);
  EXPECT_EQ(Ram("fit model --memory 1GiB --kv q3").code, 2);
  EXPECT_EQ(Ram("fit model --memory 1GiB --target vllm-unportable").code, 2);
  EXPECT_EQ(Ram("fit model --memory macbook-16gb --target vllm").code, 2);
  EXPECT_EQ(Ram("fit model --memory 1GiB --target vllm --kv q8_0").code, 4);
  EXPECT_EQ(Ram("fit nothing --memory 1GiB").code, 5);
  const Outcome outcome = Ram("fit model --memory 1GiB --context 0");
  EXPECT_EQ(outcome.code, 2);
  EXPECT_THAT(outcome.err, HasSubstr("--context: found 0"));
  EXPECT_THAT(outcome.out, Not(HasSubstr("Best")));
}

}  // namespace
}  // namespace ram
