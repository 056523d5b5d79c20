#include "ram/xray/fit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

#include "ram/allocation/allocate.h"
#include "ram/allocation/test_manifest.h"
#include "ram/base/error.h"
#include "ram/xray/fit_machines.h"

namespace ram {
namespace {

using ::testing::HasSubstr;

FitReport FitTiny(const Manifest& manifest, uint64_t memory_bytes) {
  const FitInput input{.model = "tiny",
                       .manifest = manifest,
                       .target = &FindTarget("mlx"),
                       .stored = std::nullopt,
                       .use = {FitRuntime::kMlx, 512, 1, CacheType::kF16},
                       .memory_bytes = memory_bytes};
  return Fit(input);
}

uint64_t Beside() {
  return TotalBytes(FitTiny(TestManifest(TinyConfig()), 1).items);
}

const FitRow* RowNamed(const FitReport& report, const std::string& policy,
                       const std::string& scheme = "") {
  for (const FitRow& row : report.rows) {
    if (row.policy == policy && row.scheme == scheme) return &row;
  }
  return nullptr;
}

TEST(FitTest, GivesOptimalWhatTheRuntimeLeaves) {
  const Manifest manifest = TestManifest(TinyConfig());
  const uint64_t room = 700'000;
  const FitReport report = FitTiny(manifest, Beside() + room);
  EXPECT_EQ(report.room_bytes, room);
  AllocateOptions options;
  options.size_bytes = room;
  const Plan plan = Allocate(manifest, FindTarget("mlx"), options);
  const FitRow* row = RowNamed(report, "optimal");
  ASSERT_NE(row, nullptr);
  EXPECT_TRUE(row->fits);
  EXPECT_EQ(row->weight_bytes, plan.totals.file_bytes);
  EXPECT_EQ(row->total_bytes, plan.totals.file_bytes + Beside());
  const double loss = std::accumulate(
      plan.units.begin(), plan.units.end(), 0.0,
      [](double sum, const PlannedUnit& unit) { return sum + *unit.score; });
  EXPECT_NEAR(row->predicted_loss.value(), loss, 1e-12 * loss);
  EXPECT_EQ(&report.rows[report.best.value()], row);
}

TEST(FitTest, OffersWhatVllmHolds) {
  const Manifest manifest = TestManifest(TinyConfig());
  const FitInput input{.model = "tiny",
                       .manifest = manifest,
                       .target = &FindTarget("vllm"),
                       .stored = std::nullopt,
                       .use = {FitRuntime::kVllm, 512, 1, CacheType::kF16},
                       .memory_bytes = uint64_t{4} << 30};
  const FitReport report = Fit(input);
  for (const int bits : {8, 4}) {
    AllocateOptions options;
    options.policy = Policy::kUniform;
    options.bits = bits;
    const Plan plan = Allocate(manifest, FindTarget("vllm"), options);
    const FitRow* row =
        RowNamed(report, "uniform", fmt::format("int{} g128", bits));
    ASSERT_NE(row, nullptr) << bits;
    EXPECT_EQ(row->weight_bytes, plan.totals.file_bytes);
    EXPECT_EQ(row->total_bytes,
              plan.totals.file_bytes + TotalBytes(report.items));
  }
  // vLLM has no kernels for others.
  for (const FitRow& row : report.rows) {
    EXPECT_THAT(row.scheme,
                ::testing::AnyOf("16-bit", "int8 g128", "int4 g128", ""));
  }
}

TEST(FitTest, LeavesTheModelAsItIsWhereThatFits) {
  const FitReport report =
      FitTiny(TestManifest(TinyConfig()), uint64_t{1} << 30);
  EXPECT_EQ(report.best, 0u);
  EXPECT_EQ(report.rows[0].scheme, "16-bit");
  EXPECT_EQ(report.rows[0].predicted_loss, 0);
  EXPECT_EQ(RowNamed(report, "optimal"), nullptr);
}

TEST(FitTest, SaysThatNothingFits) {
  const FitReport report = FitTiny(TestManifest(TinyConfig()), Beside() + 1000);
  EXPECT_EQ(report.best, std::nullopt);
  for (const FitRow& row : report.rows) {
    EXPECT_FALSE(row.fits) << row.policy;
    EXPECT_LT(row.longest_context, 512u) << row.policy;
  }
  ASSERT_FALSE(report.notes.empty());
  EXPECT_THAT(report.notes.back(), HasSubstr("cannot be met"));
}

TEST(FitTest, FindsTheLongestContext) {
  const Manifest manifest = TestManifest(TinyConfig());
  const FitReport report = FitTiny(manifest, Beside() + 2'000'000);
  const FitRow* row = RowNamed(report, "uniform", "4-bit g64");
  ASSERT_NE(row, nullptr);
  ASSERT_GT(row->longest_context, 512u);
  FitUse use = report.use;
  use.context = row->longest_context;
  EXPECT_LE(row->weight_bytes + TotalBytes(RuntimeMemory(report.shape, use)),
            report.memory_bytes);
  ++use.context;
  EXPECT_GT(row->weight_bytes + TotalBytes(RuntimeMemory(report.shape, use)),
            report.memory_bytes);
}

TEST(FitTest, StopsAtTheModelsOwnContext) {
  Json config = TinyConfig();
  config["max_position_embeddings"] = 1024u;
  const FitReport report = FitTiny(TestManifest(config), uint64_t{1} << 30);
  EXPECT_EQ(report.rows[0].longest_context, 1024u);
}

TEST(FitTest, PredictsNothingWithoutMeasurements) {
  Manifest manifest = TestManifest(TinyConfig());
  for (MatrixRecord& record : manifest.matrices) record.nmse.clear();
  const FitReport report = FitTiny(manifest, Beside() + 700'000);
  EXPECT_FALSE(report.measured);
  EXPECT_EQ(RowNamed(report, "optimal"), nullptr);
  const FitRow* row = RowNamed(report, "uniform", "4-bit g64");
  ASSERT_NE(row, nullptr);
  EXPECT_EQ(row->predicted_loss, std::nullopt);
  // The largest that fits.
  ASSERT_TRUE(report.best.has_value());
  ASSERT_GT(*report.best, 0u);
  EXPECT_FALSE(report.rows[*report.best - 1].fits);
}

TEST(FitTest, WritesEveryFigureAsJson) {
  const FitReport report =
      FitTiny(TestManifest(TinyConfig()), Beside() + 700'000);
  const Json json = Json::parse(FitToJson(report).dump());
  EXPECT_EQ(json["room_bytes"], 700'000);
  EXPECT_EQ(json["runtime"], "mlx-lm");
  EXPECT_EQ(json["rows"].size(), report.rows.size());
  EXPECT_EQ(json["rows"][json["best"].get<size_t>()]["policy"], "optimal");
  EXPECT_EQ(json["runtime_memory"][0]["exact"], true);
}

TEST(FitMachinesTest, GiveWhatTheirSystemsWerePrintedToGive) {
  const auto mib = [](const char* name) {
    return static_cast<double>(ParseMemory(name).bytes) / (1 << 20);
  };
  // recommendedMaxWorkingSetSize of 16, 32 and 64 GB.
  EXPECT_NEAR(mib("macbook-16gb"), 10922.67, 0.01);
  EXPECT_NEAR(mib("macbook-32gb"), 21845.34, 0.01);
  EXPECT_NEAR(mib("macbook-64gb"), 49152, 0.01);
  // 23.64 GiB less 1.
  EXPECT_NEAR(mib("rtx-4090"), 22.64 * 1024, 0.01);
}

TEST(FitMachinesTest, GiveVllmAShareOfTheCard) {
  constexpr double kGiB = 1 << 30;
  const auto gib = [](const char* name) {
    return static_cast<double>(VllmBytes(ParseMemory(name))) / kGiB;
  };
  // Of what CUDA reports, without the margin of the other runtimes.
  EXPECT_NEAR(gib("rtx-4090"), 0.92 * 23.64, 1e-6);
  EXPECT_NEAR(gib("32GiB"), 0.92 * 32, 1e-6);
  EXPECT_EQ(VllmBytes(ParseMemory("150B")), 138u);
  EXPECT_THROW(VllmBytes(ParseMemory("macbook-16gb")), Error);
}

TEST(FitMachinesTest, TakesASizeAsItIs) {
  const MemoryBudget budget = ParseMemory("32GiB");
  EXPECT_EQ(budget.bytes, uint64_t{32} << 30);
  EXPECT_EQ(budget.machine, nullptr);
}

TEST(FitMachinesTest, ListsTheNamesItKnows) {
  try {
    ParseMemory("rtx-9090");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_THAT(error.what(), HasSubstr("found 'rtx-9090'"));
    EXPECT_THAT(error.what(), HasSubstr("rtx-4090"));
  }
}

}  // namespace
}  // namespace ram
