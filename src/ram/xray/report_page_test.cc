#include "ram/xray/report_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>
#include <set>

#include "ram/target/target.h"
#include "ram/xray/charts.h"
#include "ram/xray/planted_model.h"

namespace ram {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Subject Planned(const std::filesystem::path& path) {
  Subject subject = AnalyzedSubject(path, Spectra::kTop, true);
  subject.curve_target = "native";
  subject.curve = Curve(subject.manifest, FindTarget("native"), {}, 6);
  subject.plan = Allocate(subject.manifest, FindTarget("native"), {});
  return subject;
}

std::set<std::string> All(const std::string& html, const char* pattern) {
  std::set<std::string> found;
  const std::regex expression(pattern);
  for (std::sregex_iterator i(html.begin(), html.end(), expression), end;
       i != end; ++i) {
    found.insert((*i)[1]);
  }
  return found;
}

OrderedJson DataOf(const std::string& html) {
  const std::string mark = "id=\"data\">";
  const size_t begin = html.find(mark) + mark.size();
  return OrderedJson::parse(
      html.substr(begin, html.find("</script>", begin) - begin));
}

class ReportPageTest : public ::testing::Test {
 protected:
  // A mixture with a plan, beside the bundled model.
  static const std::string& Html() {
    static const std::string html = [] {
      const TemporaryDirectory directory;
      std::vector<Subject> subjects;
      subjects.push_back(Planned(PlantedModel::Mixture(0.2).Write(directory)));
      subjects.push_back(Planned(kWikiDense));
      return XrayToHtml(MakeReport(std::move(subjects), {}));
    }();
    return html;
  }
};

TEST_F(ReportPageTest, EveryLinkHasItsSection) {
  const auto ids = All(Html(), "<section id=\"([^\"]+)\"");
  const auto links = All(Html(), "href=\"#([^\"]+)\"");
  for (const std::string& link : links) {
    EXPECT_TRUE(link == "main" || ids.count(link)) << link;
  }
  EXPECT_GT(links.size(), 15u);
}

TEST_F(ReportPageTest, EveryChartHasItsData) {
  const OrderedJson data = DataOf(Html());
  const auto charts = All(Html(), "data-chart=\"([^\"]+)\"");
  const auto tables = All(Html(), "data-table=\"([^\"]+)\"");
  EXPECT_EQ(charts.size(), data["charts"].size());
  EXPECT_EQ(tables.size(), data["tables"].size());
  for (const auto& id : charts) EXPECT_TRUE(data["charts"].contains(id)) << id;
  for (const auto& id : tables) EXPECT_TRUE(data["tables"].contains(id)) << id;
}

TEST_F(ReportPageTest, HeatmapsAreFull) {
  const OrderedJson data = DataOf(Html());
  for (const auto& [id, chart] : data["charts"].items()) {
    if (chart["kind"] != "heatmap") continue;
    for (const auto& metric : chart["metrics"]) {
      EXPECT_EQ(metric["values"].size(),
                chart["rows"].size() * chart["cols"].size())
          << id;
    }
  }
}

TEST_F(ReportPageTest, SeriesHaveAscendingX) {
  const OrderedJson data = DataOf(Html());
  for (const auto& [id, chart] : data["charts"].items()) {
    if (chart["kind"] != "plot") continue;
    EXPECT_FALSE(chart["series"].empty()) << id;
    for (const auto& series : chart["series"]) {
      const auto x = series["x"].get<std::vector<double>>();
      EXPECT_TRUE(std::is_sorted(x.begin(), x.end())) << id;
      EXPECT_EQ(x.size(), series["y"].size()) << id;
    }
  }
}

// Names are stored as patterns with numbers, as page.js puts them together.
TEST_F(ReportPageTest, NamesReadBack) {
  const OrderedJson table = DataOf(Html())["tables"]["m0-matrices-list"];
  const OrderedJson& names = table["names"];
  std::set<std::string> all;
  for (size_t i = 0; i < names["pattern"].size(); ++i) {
    std::string name = names["patterns"][names["pattern"][i].get<size_t>()];
    for (const auto& [mark, key] :
         {std::pair("{l}", "layer"), std::pair("{e}", "expert")}) {
      const size_t at = name.find(mark);
      if (at == std::string::npos) continue;
      name.replace(at, 3, std::to_string(names[key][i].get<int>()));
    }
    all.insert(name);
  }
  EXPECT_TRUE(all.count("model.layers.3.mlp.experts.15.down_proj.weight"));
  EXPECT_EQ(all.size(), 1u + 4 * (5 + 48));
}

TEST_F(ReportPageTest, IsTheSameEveryTime) {
  const auto page = [] {
    std::vector<Subject> subjects;
    subjects.push_back(Planned(kWikiDense));
    return XrayToHtml(MakeReport(std::move(subjects), {}));
  };
  EXPECT_EQ(page(), page());
}

TEST_F(ReportPageTest, SaysWhyAUnitGotItsBits) {
  EXPECT_THAT(Html(), HasSubstr("the next step"));
}

// Nothing can be plotted of a matrix without a spectrum or an error.
TEST(ReportPageEmptyTest, ChartsWithoutAPointAreLeftOut) {
  const TemporaryDirectory directory;
  const auto path = WriteTensors(
      directory, "a.safetensors",
      {{"a.weight", DType::kF32, {64, 64}, std::vector<float>(64 * 64)}});
  std::vector<Subject> subjects;
  subjects.push_back(AnalyzedSubject(path, Spectra::kTop));
  const std::string html = XrayToHtml(MakeReport(std::move(subjects), {}));
  const OrderedJson data = DataOf(html);
  EXPECT_EQ(All(html, "data-chart=\"([^\"]+)\"").size(), data["charts"].size());
  EXPECT_TRUE(data["charts"].contains("depth"));
  for (const auto& [id, chart] : data["charts"].items()) {
    EXPECT_FALSE(IsEmptyChart(chart)) << id << chart.dump();
  }
}

TEST(ReportPageHostileTest, ScriptInATensorsNameStaysText) {
  const std::string evil = "<script>alert(1)</script>{l}{e}";
  const TemporaryDirectory directory;
  const auto path = WriteTensors(
      directory, "a.safetensors",
      {{evil + ".weight", DType::kF32, {64, 64}, std::vector<float>(64 * 64)}});
  std::vector<Subject> subjects;
  subjects.push_back(AnalyzedSubject(path));
  subjects[0].name = evil;
  const std::string html = XrayToHtml(MakeReport(std::move(subjects), {}));
  EXPECT_THAT(html, Not(HasSubstr("<script>alert")));
  EXPECT_THAT(html, HasSubstr("&lt;script&gt;alert(1)"));
  const OrderedJson names = DataOf(html)["tables"]["matrices-list"]["names"];
  EXPECT_EQ(names["patterns"][0], evil + ".weight");
  EXPECT_EQ(names["layer"][0], "{l}");
}

}  // namespace
}  // namespace ram
