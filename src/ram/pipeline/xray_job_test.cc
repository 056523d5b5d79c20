#include "ram/pipeline/xray_job.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/temporary_directory.h"
#include "ram/pipeline/analyze_job.h"

namespace ram {
namespace {

using ::testing::HasSubstr;

const std::filesystem::path kDense =
    std::filesystem::path(RAM_SOURCE_DIR) / "models/wiki-dense";

// What ram analyze writes of the bundled model, made once.
class XrayJobTest : public ::testing::Test {
 protected:
  static const TemporaryDirectory& Directory() {
    static const TemporaryDirectory directory;
    static const bool made = [] {
      AnalyzeOptions options;
      options.digests = false;
      RunAnalyze(kDense, directory / "analysis", options, NoProgress());
      return true;
    }();
    (void)made;
    return directory;
  }
  static std::string Analysis() { return (Directory() / "analysis").string(); }
  static std::string Manifest() { return Analysis() + "/manifest.json"; }

  static std::string ErrorOf(const std::string& model,
                             const XrayOptions& options) {
    try {
      RunXray({model}, options, NoProgress());
    } catch (const Error& error) {
      return std::to_string(error.exit_code()) + " " + error.what();
    }
    return "no error";
  }
};

TEST_F(XrayJobTest, ReadsWhatAnalyzeWrote) {
  for (const std::string& path : {Analysis(), Manifest()}) {
    const XrayReport report = RunXray({path}, {}, NoProgress());
    ASSERT_EQ(report.subjects.size(), 1u);
    EXPECT_EQ(report.subjects[0].name, "analysis");
    EXPECT_TRUE(report.subjects[0].facts.has_value());
    EXPECT_FALSE(report.subjects[0].curve.empty());
    EXPECT_FALSE(report.examinations[0].verdict.span);  // no spectra
  }
}

TEST_F(XrayJobTest, AModelIsAnalysedWithItsSpectra) {
  const XrayReport report = RunXray({kDense.string()}, {}, NoProgress());
  EXPECT_TRUE(report.examinations[0].verdict.span);
  EXPECT_EQ(report.subjects[0].name, "wiki-dense");
}

// The profile is that of the manifest, so both ways find the same.
TEST_F(XrayJobTest, FindsTheSameFromFilesAsFromTheModel) {
  const XrayReport files = RunXray({Analysis()}, {}, NoProgress());
  const XrayReport model = RunXray({kDense.string()}, {}, NoProgress());
  for (size_t i = 0; i < files.subjects[0].size(); ++i) {
    const MatrixFacts& a = files.subjects[0].facts->matrices[i];
    const MatrixFacts& b = model.subjects[0].facts->matrices[i];
    EXPECT_EQ(a.hash, b.hash);
    EXPECT_EQ(a.row_peak, b.row_peak);
    EXPECT_EQ(a.at_absmax, b.at_absmax);
  }
}

TEST_F(XrayJobTest, WithoutAProfileItSaysSo) {
  const std::string alone =
      Directory().Write("alone.json", ReadTextFile(Manifest())).string();
  const XrayReport report = RunXray({alone}, {}, NoProgress());
  std::vector<std::string> kinds;
  for (const Finding& finding : report.examinations[0].limits) {
    kinds.push_back(finding.kind);
  }
  EXPECT_THAT(kinds, ::testing::Contains("no-profile"));
}

TEST_F(XrayJobTest, AManifestThatIsCutOffIsCorrupt) {
  const std::string text = ReadTextFile(Manifest());
  const std::string path =
      Directory().Write("cut.json", text.substr(0, text.size() / 2)).string();
  EXPECT_THAT(ErrorOf(path, {}), HasSubstr("3 " + path));
}

TEST_F(XrayJobTest, AnotherVersionIsNamed) {
  std::string text = ReadTextFile(Manifest());
  text.replace(text.find("\"version\": 1"), 12, "\"version\": 7");
  const std::string path = Directory().Write("seven.json", text).string();
  EXPECT_THAT(ErrorOf(path, {}), HasSubstr("7"));
  EXPECT_THAT(ErrorOf(path, {}), HasSubstr("version"));
}

TEST_F(XrayJobTest, ThePlanOfAnotherModelIsRefused) {
  const struct Manifest manifest = ReadManifest(Manifest());
  Plan plan = Allocate(manifest, FindTarget("mlx"), {});
  XrayOptions options;
  options.plan = Directory().Write("good.json", PlanToJson(plan));
  EXPECT_EQ(ErrorOf(Manifest(), options), "no error");
  plan.units[3].tensors[0] = "elsewhere.weight";
  options.plan = Directory().Write("other.json", PlanToJson(plan));
  EXPECT_THAT(ErrorOf(Manifest(), options),
              HasSubstr("found tensor elsewhere.weight"));
  plan.units.erase(plan.units.begin() + 3);
  options.plan = Directory().Write("less.json", PlanToJson(plan));
  EXPECT_THAT(ErrorOf(Manifest(), options), HasSubstr("found no entry for"));
}

TEST_F(XrayJobTest, APlanBelongsToOneModel) {
  XrayOptions options;
  options.plan = "plan.json";
  try {
    RunXray({Manifest(), Manifest()}, options, NoProgress());
    FAIL() << "no error";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kUsage);
  }
}

TEST_F(XrayJobTest, AReportThatIsNoneIsNamed) {
  XrayOptions options;
  options.evaluations = {Directory().Write("report.json", R"({"version": 1})")};
  EXPECT_THAT(ErrorOf(Manifest(), options), HasSubstr("protocol: missing"));
}

}  // namespace
}  // namespace ram
