#include "ram/xray/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/xray/experts.h"
#include "ram/xray/planted_model.h"

namespace ram {
namespace {

using ::testing::Contains;

std::vector<std::string> Kinds(const std::vector<Finding>& findings) {
  std::vector<std::string> kinds;
  for (const Finding& finding : findings) kinds.push_back(finding.kind);
  return kinds;
}

Subject Mixture() {
  const TemporaryDirectory directory;
  return AnalyzedSubject(PlantedModel::Mixture(0.2).Write(directory),
                         Spectra::kTop);
}

// Every matrix with the same metrics: no span, whatever the model.
TEST(VerdictTest, EqualMatricesAreHomogeneous) {
  Subject subject = Mixture();
  for (MatrixRecord& record : subject.manifest.matrices) {
    record.metrics = {0.3, 1.0, 0.2, 0.1};
  }
  const Verdict verdict = Judge(subject);
  EXPECT_EQ(verdict.span, 0);
  EXPECT_TRUE(verdict.homogeneous);
  EXPECT_THAT(Kinds(DescribeModelInWords(subject, verdict)),
              Contains("homogeneous"));
  EXPECT_THAT(Kinds(Limits(subject, verdict)), Contains("homogeneous"));
  EXPECT_THAT(Kinds(Limits(subject, verdict)), Contains("narrow-metric"));
}

// S rises by 0.45 x 10 / 10 when kurtosis goes from 0 to 10.
TEST(VerdictTest, SpanIsThatOfTheScores) {
  Subject subject = Mixture();
  for (MatrixRecord& record : subject.manifest.matrices) {
    record.metrics = {0.3, 0.0, 0.2, 0.1};
  }
  subject.manifest.matrices[7].metrics.excess_kurtosis = 10;
  const Verdict verdict = Judge(subject);
  ASSERT_TRUE(verdict.span);
  EXPECT_NEAR(*verdict.span, 0.45, 1e-12);
  EXPECT_FALSE(verdict.homogeneous);
}

TEST(VerdictTest, WithoutSpectraThereIsNoSpan) {
  Subject subject = Mixture();
  for (MatrixRecord& record : subject.manifest.matrices) {
    record.metrics.spectral_concentration.reset();
  }
  const Verdict verdict = Judge(subject);
  EXPECT_FALSE(verdict.span);
  EXPECT_THAT(Kinds(Limits(subject, verdict)), Contains("no-spectra"));
}

TEST(VerdictTest, AMixtureIsSaidToBeOne) {
  const Subject subject = Mixture();
  const Verdict verdict = Judge(subject);
  EXPECT_TRUE(verdict.mixture);
  EXPECT_THAT(Kinds(Limits(subject, verdict)), Contains("stacked-experts"));
  EXPECT_EQ(DescribeModelInWords(subject, verdict)[0].sentence.find(
                "planted (Qwen3MoeForCausalLM) is a mixture of 16 experts of "
                "4 layers"),
            0u);
}

TEST(ExpertsTest, ImportanceAveragesOne) {
  const auto experts = SummarizeExperts(Mixture());
  ASSERT_EQ(experts.size(), 64u);
  double sum = 0;
  for (const ExpertSummary& expert : experts) {
    ASSERT_TRUE(expert.importance) << expert.layer << " " << expert.expert;
    sum += *expert.importance;
  }
  EXPECT_NEAR(sum / 64, 1, 1e-9);
}

TEST(ExpertsTest, AnExpertOfTwiceTheWeightsHasFourTimesTheImportance) {
  PlantedModel model = PlantedModel::Mixture(0.2);
  const auto importance = [&] {
    const TemporaryDirectory directory;
    const Subject subject = AnalyzedSubject(model.Write(directory));
    const auto experts = SummarizeExperts(subject);
    return *experts[20].importance / *experts[40].importance;
  };
  const double before = importance();
  for (const char* role : {"gate_proj", "up_proj", "down_proj"}) {
    for (float& value :
         model.At(fmt::format("model.layers.1.mlp.experts.4.{}.weight", role))
             .values) {
      value *= 2;  // exact in BF16
    }
  }
  EXPECT_NEAR(importance() / before, 4, 1e-6);
}

// Unrelated experts: estimates of cosines deviate by about 1/8.
TEST(ExpertsTest, UnrelatedExpertsAreUnlike) {
  for (const ExpertSummary& expert : SummarizeExperts(Mixture())) {
    EXPECT_LT(*expert.similarity, 0.6);
    EXPECT_NE(expert.most_similar, expert.expert);
  }
}

TEST(ExpertsTest, LoadsOfALayerSumToTheExpertsPerToken) {
  double sum = 0;
  for (const ExpertSummary& expert : SummarizeExperts(Mixture())) {
    if (expert.layer == 2) sum += *expert.load;
  }
  EXPECT_NEAR(sum, 2, 1e-6);
}

}  // namespace
}  // namespace ram
