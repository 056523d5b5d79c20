#include "ram/allocation/optimal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

#include "ram/allocation/role_weights.h"
#include "ram/allocation/test_manifest.h"
#include "ram/base/error.h"

namespace ram {
namespace {

using testing::HasSubstr;

AllocateOptions Sized(uint64_t bytes) {
  AllocateOptions options;
  options.size_bytes = bytes;
  return options;
}

double PlannedLoss(const Plan& plan) {
  double loss = 0;
  for (const PlannedUnit& unit : plan.units) loss += *unit.score;
  return loss;
}

// The loss of a plan from the definition alone.
double LossOf(const Plan& plan, const Manifest& manifest) {
  const std::vector<double> weights = MatrixWeights(manifest.model);
  std::map<std::string, size_t> index;
  for (size_t i = 0; i < manifest.matrices.size(); ++i) {
    index[manifest.matrices[i].name] = i;
  }
  double loss = 0;
  for (const PlannedUnit& unit : plan.units) {
    for (const std::string& name : unit.tensors) {
      if (unit.scheme.kind == SchemeKind::kFloat) continue;
      const size_t i = index.at(name);
      for (size_t s = 0; s < manifest.schemes.size(); ++s) {
        if (manifest.schemes[s] == MeasuredScheme{unit.scheme, unit.encoder}) {
          loss += weights[i] * manifest.matrices[i].nmse[s];
        }
      }
    }
  }
  return loss;
}

Manifest RandomManifest(uint32_t seed, const Json& config) {
  std::mt19937 random(seed);
  std::lognormal_distribution<double> noise(0.0, 1.0);
  return TestManifest(config, [&](const Matrix& matrix, MatrixRecord& record) {
    SetErrors(matrix, noise(random), AffineMeasuredSchemes(), record);
  });
}

TEST(OptimalTest, IsNeverWorseThanUniformAtItsSize) {
  for (uint32_t seed = 0; seed < 40; ++seed) {
    const Json config = seed % 2 == 0 ? TinyConfig() : TinyMoeConfig();
    const Manifest manifest = RandomManifest(seed, config);
    for (const char* target : {"mlx", "native"}) {
      for (int i = 0; i < kAffineSchemeCount; ++i) {
        AllocateOptions uniform;
        uniform.policy = Policy::kUniform;
        uniform.bits = AffineSchemeAt(i).bits;
        uniform.group_size = AffineSchemeAt(i).group_size;
        uniform.encoder = Encoder::kSearch;
        const Plan yardstick = MakePlan(manifest, uniform, target);
        AllocateOptions sized = Sized(yardstick.totals.file_bytes);
        if (uniform.bits < 3) continue;  // routers keep 8 bits
        const Plan plan = MakePlan(manifest, sized, target);
        EXPECT_LE(plan.totals.file_bytes, yardstick.totals.file_bytes);
        EXPECT_LE(LossOf(plan, manifest), LossOf(yardstick, manifest) + 1e-12)
            << "seed " << seed << " " << target << " "
            << SchemeLabel(AffineSchemeAt(i));
      }
    }
  }
}

TEST(OptimalTest, ScoresAddUpToTheDefinition) {
  const Manifest manifest = RandomManifest(7, TinyMoeConfig());
  const Plan plan = MakePlan(manifest, {});
  EXPECT_NEAR(PlannedLoss(plan), LossOf(plan, manifest), 1e-12);
}

TEST(OptimalTest, NeverExceedsABudgetAndComesClose) {
  const Manifest manifest = RandomManifest(3, TinyConfig());
  for (uint64_t size = 520'000; size < 1'400'000; size += 37'211) {
    const Plan plan = MakePlan(manifest, Sized(size));
    EXPECT_LE(plan.totals.file_bytes, size);
    EXPECT_GT(plan.totals.file_bytes + 40'000, size);
  }
}

TEST(OptimalTest, BoundsBitsPerWeightByTensorsAlone) {
  AllocateOptions options;
  options.bits_per_weight = 4.5;
  const Plan plan = MakePlan(RandomManifest(5, TinyConfig()), options);
  EXPECT_LE(plan.totals.bits_per_weight, 4.5);
  EXPECT_GT(plan.totals.bits_per_weight, 4.3);
}

TEST(OptimalTest, TakesTheBytesOfUniformByDefault) {
  const Manifest manifest = RandomManifest(11, TinyConfig());
  AllocateOptions uniform;
  uniform.policy = Policy::kUniform;
  const uint64_t bytes = MakePlan(manifest, uniform).totals.file_bytes;
  const Plan plan = MakePlan(manifest, {});
  EXPECT_LE(plan.totals.file_bytes, bytes);
  EXPECT_GT(plan.totals.file_bytes + 40'000, bytes);
}

TEST(OptimalTest, SaysTheSmallestSizeThatCanBeMet) {
  const Manifest manifest = TestManifest(TinyConfig());
  try {
    (void)MakePlan(manifest, Sized(1000));
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kGate);
    std::string text = error.what();
    const std::string head =
        "budget 1000 B cannot be met: the smallest this model can be on target "
        "mlx is ";
    ASSERT_THAT(text, testing::StartsWith(head));
    const uint64_t least = std::stoull(text.substr(head.size()));
    EXPECT_EQ(MakePlan(manifest, Sized(least)).totals.file_bytes, least);
    EXPECT_THROW((void)MakePlan(manifest, Sized(least - 1)), Error);
  }
}

TEST(OptimalTest, GivesMoreBitsToTheNoisierOfTwoAlike) {
  const Manifest manifest = TestManifest(
      TinyConfig(), [](const Matrix& matrix, MatrixRecord& record) {
        SetErrors(matrix, matrix.layer == 1 ? 20.0 : 1.0,
                  AffineMeasuredSchemes(), record);
      });
  const Plan plan = MakePlan(manifest, {});
  EXPECT_GT(plan.units[8].scheme.bits, plan.units[1].scheme.bits);
  EXPECT_EQ(plan.units[8].unit, "model.layers.1.self_attn.q_proj");
}

TEST(OptimalTest, GivesRoutersEightBitsOrMore) {
  AllocateOptions options;
  options.bits_per_weight = 3.2;
  const Plan plan = MakePlan(TestManifest(TinyMoeConfig()), options);
  int routers = 0;
  for (const PlannedUnit& unit : plan.units) {
    if (!unit.unit.ends_with("mlp.gate")) continue;
    EXPECT_GE(unit.scheme.bits, 8);
    ++routers;
  }
  EXPECT_EQ(routers, 2);
}

TEST(OptimalTest, ExplainsEveryUnit) {
  const Plan plan = MakePlan(RandomManifest(1, TinyConfig()), {});
  for (const PlannedUnit& unit : plan.units) {
    EXPECT_THAT(unit.reason, testing::StartsWith(SchemeLabel(unit.scheme)));
    EXPECT_FALSE(unit.candidates.empty());
  }
}

TEST(OptimalTest, KeepsAMatrixWithNaNAt16Bits) {
  Manifest manifest = TestManifest(TinyConfig());
  manifest.matrices[1].nonfinite = 3;
  const Plan plan = MakePlan(manifest, {});
  EXPECT_EQ(plan.units[1].scheme, kFloat16Scheme);
  EXPECT_EQ(plan.units[1].reason,
            "16-bit: model.layers.0.self_attn.q_proj.weight holds 3 NaN or "
            "Inf");
}

TEST(OptimalTest, FallsBackToMinMaxErrorsAndSaysSo) {
  Manifest manifest = TestManifest(TinyConfig());
  manifest.schemes.resize(kAffineSchemeCount);
  for (MatrixRecord& record : manifest.matrices) {
    record.nmse.resize(kAffineSchemeCount);
  }
  const Plan plan = MakePlan(manifest, {});
  EXPECT_EQ(plan.units[0].encoder, Encoder::kMinMax);
  EXPECT_THAT(plan.notes, testing::Contains(
                              HasSubstr("no errors of the encoder 'search'")));
}

TEST(OptimalTest, NeedsMeasuredErrors) {
  Manifest manifest = TestManifest(TinyConfig());
  manifest.schemes.clear();
  try {
    (void)MakePlan(manifest, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_STREQ(error.what(),
                 "--policy optimal: found no errors of affine schemes in the "
                 "manifest, expected those of `ram analyze --schemes affine` "
                 "for target mlx");
  }
}

TEST(MinSafeTest, GivesEveryUnitNineDecibels) {
  AllocateOptions options;
  options.min_safe = true;
  const Manifest manifest = RandomManifest(9, TinyConfig());
  const Plan plan = MakePlan(manifest, options);
  for (const PlannedUnit& unit : plan.units) {
    EXPECT_LE(*unit.nmse, std::pow(10.0, -0.9)) << unit.unit;
  }
  AllocateOptions uniform;
  uniform.policy = Policy::kUniform;
  const Plan yardstick = MakePlan(manifest, uniform);
  EXPECT_LE(LossOf(plan, manifest), LossOf(yardstick, manifest));
  EXPECT_LT(plan.totals.file_bytes, yardstick.totals.file_bytes);
}

TEST(OverrideTest, RulesWhateverThePolicySays) {
  for (Policy policy : {Policy::kUniform, Policy::kRamV1, Policy::kRamV2,
                        Policy::kRamV3, Policy::kOptimal}) {
    AllocateOptions options;
    options.policy = policy;
    options.overrides = {ParseOverride("*.1.mlp.down_proj=6:32")};
    const Plan plan = MakePlan(TestManifest(TinyConfig()), options);
    const PlannedUnit& unit = plan.units[14];
    ASSERT_EQ(unit.unit, "model.layers.1.mlp.down_proj");
    EXPECT_EQ(unit.scheme, Affine(6, 32)) << PolicyName(policy);
    EXPECT_EQ(unit.reason, "--set '*.1.mlp.down_proj=6:32'");
  }
}

TEST(OverrideTest, IsAnErrorWhenItMatchesNothing) {
  AllocateOptions options;
  options.overrides = {ParseOverride("model.layers.99.*=8")};
  try {
    (void)MakePlan(TestManifest(TinyConfig()), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_STREQ(error.what(),
                 "--set 'model.layers.99.*=8': found no unit of that name on "
                 "target mlx, expected at least one of its 23 (for example "
                 "model.embed_tokens)");
  }
}

TEST(OverrideTest, IsParsedStrictly) {
  EXPECT_EQ(ParseOverride("a*=8:32").group_size, 32);
  EXPECT_EQ(ParseOverride("a*=16").bits, 16);
  for (const char* text : {"", "=4", "a", "a=", "a=7", "a=4:48", "a=16:64",
                           "a=4:", "a=4x", "a=-4"}) {
    EXPECT_THROW((void)ParseOverride(text), Error) << text;
  }
}

TEST(OptionsTest, RefuseABudgetWhereTheRuleHasNone) {
  AllocateOptions options = Sized(1'000'000);
  options.policy = Policy::kRamV1;
  try {
    (void)MakePlan(TestManifest(TinyConfig()), options);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
    EXPECT_STREQ(error.what(),
                 "--policy ram-v1: found a budget, expected none: its size "
                 "follows from its rule (use optimal or ram-v3)");
  }
}

TEST(OptionsTest, RefuseTwoBudgets) {
  AllocateOptions options = Sized(1'000'000);
  options.bits_per_weight = 4;
  EXPECT_THROW((void)MakePlan(TestManifest(TinyConfig()), options), Error);
}

TEST(CurveTest, FallsFromTheSmallestToTheLargestSize) {
  const auto curve =
      Curve(RandomManifest(2, TinyConfig()), FindTarget("mlx"), {}, 12);
  ASSERT_GT(curve.size(), 8u);
  for (size_t i = 1; i < curve.size(); ++i) {
    EXPECT_GT(curve[i].totals.file_bytes, curve[i - 1].totals.file_bytes);
    EXPECT_LT(curve[i].predicted_loss, curve[i - 1].predicted_loss);
  }
}

TEST(UniformTest, QuantizesEverythingThatCanBe) {
  AllocateOptions options;
  options.policy = Policy::kUniform;
  const Plan plan = MakePlan(TestManifest(TinyMoeConfig()), options);
  for (const PlannedUnit& unit : plan.units) {
    EXPECT_EQ(unit.scheme, Affine(4, 64)) << unit.unit;
    EXPECT_EQ(unit.encoder, Encoder::kMinMax);
  }
}

TEST(UniformTest, NeedsNoMeasurements) {
  Manifest manifest = TestManifest(TinyConfig());
  manifest.schemes.clear();
  for (MatrixRecord& record : manifest.matrices) record = {};
  AllocateOptions options;
  options.policy = Policy::kUniform;
  EXPECT_EQ(MakePlan(manifest, options).units[0].scheme, Affine(4, 64));
}

}  // namespace
}  // namespace ram
