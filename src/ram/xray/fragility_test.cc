#include "ram/xray/fragility.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "ram/xray/planted_model.h"

namespace ram {
namespace {

using ::testing::IsEmpty;

const std::string kDown = "model.layers.2.mlp.down_proj.weight";

std::vector<std::string> Kinds(const Subject& subject) {
  std::vector<std::string> kinds;
  for (const Finding& finding : FindFragility(subject)) {
    kinds.push_back(finding.kind);
  }
  return kinds;
}

TEST(FragilityTest, TheBundledModelShowsNone) {
  EXPECT_THAT(Kinds(AnalyzedSubject(kWikiDense)), IsEmpty());
}

// Columns e^0.7 and e^-0.7 in turn: a spread of 0.7 on top of their own.
TEST(FragilityTest, UnevenChannelsAreNoticed) {
  PlantedModel model = PlantedModel::Read(kWikiDense);
  RandomTensor& down = model.At(kDown);
  for (size_t i = 0; i < down.values.size(); ++i) {
    down.values[i] *= std::exp(i % 2 == 0 ? 0.7f : -0.7f);
  }
  const TemporaryDirectory directory;
  const Subject subject = AnalyzedSubject(model.Write(directory));
  EXPECT_THAT(Kinds(subject), ::testing::ElementsAre("uneven-channels"));
  const auto value = MeasureFragility(subject)[1];
  ASSERT_TRUE(value);
  EXPECT_EQ(subject.matrix(static_cast<size_t>(value->matrix)).name, kDown);
  EXPECT_NEAR(value->value, 0.72, 0.05);
}

// In every group of 64 channels one is 30 times as large. The mean square is
// then about (63 + 900) / 64 = 15 times that of the others; at 3 bits the noise
// of a group with such a peak is over a fifteenth of it, so they drown in it.
TEST(FragilityTest, ChannelsThatDrownInNoiseAreNoticed) {
  PlantedModel model = PlantedModel::Read(kWikiDense);
  RandomTensor& down = model.At(kDown);
  for (size_t i = 0; i < down.values.size(); ++i) {
    if (i % 64 == 7) down.values[i] *= 30;
  }
  const TemporaryDirectory directory;
  const Subject subject = AnalyzedSubject(model.Write(directory));
  EXPECT_THAT(Kinds(subject), ::testing::Contains("channel-noise"));
  const auto value = MeasureFragility(subject)[0];
  ASSERT_TRUE(value);
  EXPECT_EQ(subject.matrix(static_cast<size_t>(value->matrix)).name, kDown);
  EXPECT_GT(value->value, 0.5);
}

// As tests/peers/fragility_study.py finds it in the bundled model.
TEST(FragilityTest, ChannelNoiseIsThatOfTheStudy) {
  const auto value = MeasureFragility(AnalyzedSubject(kWikiDense))[0];
  ASSERT_TRUE(value);
  EXPECT_NEAR(value->value, 0.06, 0.005);
}

TEST(FragilityTest, SaysHowOftenItWasRight) {
  PlantedModel model = PlantedModel::Read(kWikiDense);
  RandomTensor& down = model.At(kDown);
  for (size_t i = 3; i < down.values.size(); i += down.shape[1]) {
    down.values[i] *= 20;
  }
  const TemporaryDirectory directory;
  const auto findings = FindFragility(AnalyzedSubject(model.Write(directory)));
  ASSERT_FALSE(findings.empty());
  EXPECT_EQ(findings[0].kind, "channel-peak");
  EXPECT_THAT(findings[0].sentence,
              ::testing::HasSubstr("models of the study that passed this "
                                   "limit"));
  EXPECT_EQ(findings[0].severity, Severity::kNotice);
}

// The counts are over the same models.
TEST(FragilityTest, RatesAreOfOneStudy) {
  const auto indicators = FragilityIndicators();
  for (const FragilityIndicator& indicator : indicators) {
    const HitRate& rate = indicator.rate;
    EXPECT_EQ(rate.hits + rate.misses,
              indicators[0].rate.hits + indicators[0].rate.misses);
    EXPECT_EQ(rate.false_alarms + rate.sound,
              indicators[0].rate.false_alarms + indicators[0].rate.sound);
  }
}

}  // namespace
}  // namespace ram
