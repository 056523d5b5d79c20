#include "ram/allocation/ram_policies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/allocation/allocate.h"
#include "ram/allocation/test_manifest.h"
#include "ram/base/error.h"

namespace ram {
namespace {

using testing::Contains;
using testing::HasSubstr;

AllocateOptions With(Policy policy) {
  AllocateOptions options;
  options.policy = policy;
  return options;
}

const PlannedUnit& UnitNamed(const Plan& plan, std::string_view name) {
  for (const PlannedUnit& unit : plan.units) {
    if (unit.unit == name) return unit;
  }
  throw std::out_of_range(std::string(name));
}

// The published rule on one matrix whose four fixed scores are all `score`, so
// that S is `score`.
Scheme RuleOn(double score) {
  const Manifest manifest =
      TestManifest(TinyConfig(), [score](const Matrix&, MatrixRecord& record) {
        record.metrics = MetricsOfScore(score);
      });
  return UnitNamed(MakePlan(manifest, With(Policy::kRamV1)),
                   "model.layers.0.self_attn.q_proj")
      .scheme;
}

TEST(RamV1Test, GivesTwoBitsAtOrBelowTheLowerThreshold) {
  EXPECT_EQ(RuleOn(0.09), Affine(2, 32));
}
TEST(RamV1Test, GivesFourBitsBetween) {
  EXPECT_EQ(RuleOn(0.11), Affine(4, 128));
  EXPECT_EQ(RuleOn(0.64), Affine(4, 128));
}
TEST(RamV1Test, GivesEightBitsAbove) {
  EXPECT_EQ(RuleOn(0.66), Affine(8, 64));
  EXPECT_EQ(RuleOn(0.89), Affine(8, 64));
}
TEST(RamV1Test, LeavesTheMostSensitiveAlone) {
  EXPECT_EQ(RuleOn(0.91), kFloat16Scheme);
}

TEST(RamV1Test, IncludesTheThresholdsThemselves) {
  const Thresholds published = {0.90, 0.65, 0.10};
  EXPECT_EQ(BitsFor(0.90, published), 16);
  EXPECT_EQ(BitsFor(0.65, published), 8);
  EXPECT_EQ(BitsFor(0.10, published), 2);
}

TEST(RamV1Test, WeighsTheFourMetrics) {
  // Fixed scores 0.5, 1, 0 and 1: 0.20 x 0.5 + 0.45 + 0.20 = 0.75.
  Manifest manifest =
      TestManifest(TinyConfig(), [](const Matrix&, MatrixRecord& record) {
        record.metrics = {0.5, 25.0, 1e-7, 0.11};
      });
  const Plan plan = MakePlan(manifest, With(Policy::kRamV1));
  EXPECT_NEAR(*UnitNamed(plan, "model.layers.0.mlp.up_proj").score, 0.75,
              1e-12);
}

TEST(RamV1Test, ProtectsEmbeddingAndHead) {
  const Plan plan = MakePlan(TestManifest(TinyConfig()), With(Policy::kRamV1));
  EXPECT_EQ(UnitNamed(plan, "model.embed_tokens").scheme, kFloat16Scheme);
  EXPECT_EQ(UnitNamed(plan, "lm_head").reason,
            "16-bit: protected by its name (lm_head)");
}

TEST(RamV1Test, ProtectsRoutersThatThePatternsMiss) {
  const Plan plan =
      MakePlan(TestManifest(TinyMoeConfig()), With(Policy::kRamV1));
  EXPECT_EQ(UnitNamed(plan, "model.layers.0.mlp.gate").reason,
            "16-bit: protected as a router");
  EXPECT_THAT(plan.notes, Contains("2 routers are protected by their role: the "
                                   "published name patterns miss them"));
}

TEST(RamV1Test, TakesTheNextSmallerLegalGroup) {
  // Rows of 64 weights: 128 does not divide them.
  const Plan plan =
      MakePlan(TestManifest(TinyMoeConfig()), With(Policy::kRamV1));
  const PlannedUnit& unit =
      UnitNamed(plan, "model.layers.0.mlp.switch_mlp.down_proj");
  EXPECT_EQ(unit.scheme, Affine(4, 64));
  EXPECT_THAT(unit.reason,
              HasSubstr("the group size of 4-bit g128 does not divide rows of "
                        "64 weights, so 4-bit g64 is used"));
}

TEST(RamV1Test, LeavesRowsThatNoGroupDividesAt16Bits) {
  Json config = TinyConfig();
  config["intermediate_size"] = 172u;
  const Plan plan = MakePlan(TestManifest(config), With(Policy::kRamV1));
  EXPECT_EQ(UnitNamed(plan, "model.layers.0.mlp.down_proj").scheme,
            kFloat16Scheme);
}

// Experts at 0.2 and 1.0 by turns: 4 and 16 bits by themselves.
Manifest DividedExperts() {
  return TestManifest(
      TinyMoeConfig(), [](const Matrix& matrix, MatrixRecord& record) {
        if (matrix.expert < 0) return;
        record.metrics = MetricsOfScore(matrix.expert % 2 == 0 ? 0.4 : 1.0);
      });
}

TEST(RamV1Test, AveragesTheScoresOfAStack) {
  const Plan plan = MakePlan(DividedExperts(), With(Policy::kRamV1));
  const PlannedUnit& unit =
      UnitNamed(plan, "model.layers.1.mlp.switch_mlp.up_proj");
  EXPECT_NEAR(*unit.score, 0.7, 1e-12);
  EXPECT_EQ(unit.scheme, Affine(8, 64));
}

TEST(RamV1Test, CountsMembersThatWouldDecideOtherwise) {
  // 2 layers x 3 stacks x 4 experts, all of which want 4 or 16.
  const Plan plan = MakePlan(DividedExperts(), With(Policy::kRamV1));
  EXPECT_THAT(plan.notes,
              Contains("24 of 36 matrices would by themselves get other bits "
                       "than the unit they are stored in"));
}

TEST(RamV1Test, DecidesEveryExpertOnNative) {
  const Plan plan = MakePlan(DividedExperts(), With(Policy::kRamV1), "native");
  EXPECT_EQ(UnitNamed(plan, "model.layers.1.mlp.experts.2.up_proj").scheme,
            Affine(4, 128));
  EXPECT_EQ(UnitNamed(plan, "model.layers.1.mlp.experts.3.up_proj").scheme,
            kFloat16Scheme);
}

TEST(RamV1Test, ReportsTheLargestShares) {
  const Manifest manifest = TestManifest(
      TinyConfig(), [](const Matrix& matrix, MatrixRecord& record) {
        if (matrix.role == "up_proj") record.metrics = MetricsOfScore(0.05);
      });
  // 2-bit: 3 of 384 x 256; 16-bit: the two tables of 512 x 256; of all
  // 3 x (3 x 98304 + 2 x 65536 + 2 x 32768) + 262144 weights.
  EXPECT_THAT(MakePlan(manifest, With(Policy::kRamV1)).notes,
              Contains("sensitivity span 0.450, max 2-bit 17.0 %, max 16-bit "
                       "15.1 % of the weights"));
}

TEST(RamV1Test, SaysWhichMetricIsMissing) {
  Manifest manifest = TestManifest(TinyConfig());
  manifest.matrices[1].metrics.spectral_concentration.reset();
  try {
    (void)MakePlan(manifest, With(Policy::kRamV1));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_STREQ(error.what(),
                 "--policy ram-v1: model.layers.0.self_attn.q_proj.weight: "
                 "found a metric missing in the manifest, expected all four "
                 "(run ram analyze --spectra)");
  }
}

TEST(PercentileTest, InterpolatesBetweenOrderStatistics) {
  // numpy.percentile([1, 2, 4, 8, 16], [5, 95])
  const std::vector<double> values = {1, 2, 4, 8, 16};
  EXPECT_DOUBLE_EQ(Percentile(values, 5), 1.2);
  EXPECT_DOUBLE_EQ(Percentile(values, 95), 14.4);
}

// Matrix i of 23 has the score i / 22, in the order of the model.
Manifest EvenScores() {
  int i = 0;
  return TestManifest(TinyConfig(), [&i](const Matrix&, MatrixRecord& record) {
    record.metrics = MetricsOfScore(i++ / 22.0);
  });
}

TEST(RamV2Test, RescalesBetweenTheFifthAndNinetyFifthPercentileUnclipped) {
  const RamScores scores =
      ScoreMatrices(EvenScores(), Policy::kRamV2, RamRule());
  // Kurtosis 10 i / 22: its percentiles lie at i = 1.1 and 20.9.
  EXPECT_NEAR(scores.ranges[1].low, 0.5, 1e-9);
  EXPECT_NEAR(scores.ranges[1].high, 9.5, 1e-9);
  EXPECT_LT(*scores.matrices.front(), 0.0);
  EXPECT_GT(*scores.matrices.back(), 1.0);
}

TEST(RamV2Test, TellsWhenRescalingAmplifiesNoise) {
  const Manifest manifest = TestManifest(
      TinyConfig(), [](const Matrix& matrix, MatrixRecord& record) {
        record.metrics.excess_kurtosis = 3.0 + 0.01 * matrix.layer;
      });
  EXPECT_THAT(
      MakePlan(manifest, With(Policy::kRamV2)).notes,
      Contains(HasSubstr("excess kurtosis: its 5-95 % range, 2.991 to 3.02, is "
                         "narrower than 1: rescaling amplifies noise")));
}

TEST(RamV3Test, UsesTheFixedScoreWhereTheRangeIsNarrow) {
  const Manifest manifest = TestManifest(
      TinyConfig(), [](const Matrix& matrix, MatrixRecord& record) {
        record.metrics = MetricsOfScore(0.5);
        record.metrics.excess_kurtosis = 3.0 + 0.01 * matrix.layer;
      });
  const RamScores v1 = ScoreMatrices(manifest, Policy::kRamV1, RamRule());
  const RamScores v3 = ScoreMatrices(manifest, Policy::kRamV3, RamRule());
  EXPECT_EQ(v1.matrices, v3.matrices);
}

TEST(RamV3Test, FallsBackToUniformOnAHomogeneousModel) {
  const Plan plan = MakePlan(TestManifest(TinyConfig()), With(Policy::kRamV3));
  for (const PlannedUnit& unit : plan.units) {
    EXPECT_EQ(unit.scheme, Affine(4, 64)) << unit.unit;
  }
  EXPECT_THAT(plan.notes,
              Contains("homogeneous: the sensitivity span 0.000 is under 0.10, "
                       "so all units take 4-bit g64"));
}

TEST(RamV3Test, LandsOnTheBudget) {
  const Manifest manifest = EvenScores();
  for (uint64_t size : {700'000u, 900'000u, 1'200'000u, 2'000'000u}) {
    AllocateOptions options = With(Policy::kRamV3);
    options.size_bytes = size;
    const Plan plan = MakePlan(manifest, options);
    EXPECT_LE(plan.totals.file_bytes, size);
    // Within the largest single step: 4 to 8 bits of the embedding.
    EXPECT_GE(plan.totals.file_bytes + 131072 * 8, size);
  }
}

TEST(RamV3Test, KeepsTheOrderOfTheScores) {
  AllocateOptions options = With(Policy::kRamV3);
  options.size_bytes = 1'000'000;
  const Plan plan = MakePlan(EvenScores(), options);
  std::vector<std::pair<double, int>> decided;
  for (const PlannedUnit& unit : plan.units) {
    if (unit.reason.find("S = ") == std::string::npos) continue;
    decided.push_back({*unit.score, unit.scheme.bits});
  }
  std::sort(decided.begin(), decided.end());
  EXPECT_TRUE(std::is_sorted(
      decided.begin(), decided.end(),
      [](const auto& a, const auto& b) { return a.second < b.second; }));
  EXPECT_GT(decided.size(), 20u);
}

TEST(RamV3Test, GivesTheBitsThatItsThresholdsSay) {
  const Manifest manifest = EvenScores();
  for (uint64_t size : {700'000u, 1'000'000u, 3'000'000u}) {
    AllocateOptions options = With(Policy::kRamV3);
    options.size_bytes = size;
    for (const PlannedUnit& unit : MakePlan(manifest, options).units) {
      if (unit.reason.find("S = ") == std::string::npos) continue;
      EXPECT_THAT(unit.reason, testing::StartsWith(
                                   fmt::format("{}-bit: ", unit.scheme.bits)))
          << size << " " << unit.unit;
    }
  }
}

TEST(RamV3Test, LeavesEmbeddingAndHeadAt16BitsWhereThereIsRoom) {
  AllocateOptions options = With(Policy::kRamV3);
  options.size_bytes = 3'000'000;
  EXPECT_EQ(UnitNamed(MakePlan(EvenScores(), options), "lm_head").scheme,
            kFloat16Scheme);
}

}  // namespace
}  // namespace ram
