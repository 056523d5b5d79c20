#include "ram/evaluation/report.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "ram/base/temporary_directory.h"
#include "ram/evaluation/measure_orders.h"

namespace ram {
namespace {

using ::testing::ElementsAre;

std::string Read(std::string_view contents) {
  const TemporaryDirectory directory;
  const auto path = directory.Write("r.json", contents);
  std::string message = ErrorMessage([&] { ReadPerplexityReport(path); });
  if (!message.empty()) {
    message.erase(0, directory.path().string().size() + 1);
  }
  return message;
}

TEST(ReportTest, PerplexityReportComesBackFromItsJson) {
  PerplexityReport report;
  report.header.task = "perplexity";
  report.header.models = {{"a", 100, 16, 16}, {"b", 50, 8, 8}};
  report.options.window = 5;
  report.windows = {3, 9};
  PerplexityResult result;
  result.windows = {{8, 4}, {6, 4}};
  result.outliers = {1};
  report.results = {result, result};
  report.results[1].distance.emplace();
  report.results[1].distance->window_kl = {0.25, 0.5};
  report.results[1].distance->perplexity_ratio = {1.25, 1.1, 1.4};
  report.outlier_texts = {{"cut \xff off"}, {}};
  const TemporaryDirectory directory;
  const std::string text = ReportText(ReportToJson(report));
  const PerplexityRecord record =
      ReadPerplexityReport(directory.Write("r.json", text));
  ASSERT_EQ(record.models.size(), 2u);
  EXPECT_EQ(record.models[1].path, "b");
  EXPECT_EQ(record.models[1].windows[1].nll, 6);
  EXPECT_EQ(record.models[1].windows[1].tokens, 4u);
  EXPECT_THAT(record.models[1].window_kl, ElementsAre(0.25, 0.5));
  const Json json = ParseJson(text, "r.json");
  EXPECT_EQ(json["models"][0]["outliers"][0]["window"], 9);
  EXPECT_EQ(json["models"][0]["outliers"][0]["text"], "cut \ufffd off");
  EXPECT_EQ(json["models"][1]["degradation_per_compression"], 25);
  EXPECT_EQ(json["models"][1]["retention"], 0.8);
}

TEST(ReportTest, NamesTheFieldThatIsMissing) {
  EXPECT_EQ(Read("[]"), "r.json: found array, expected a report");
  EXPECT_EQ(Read(R"({"version": 2})"), "r.json: version: found 2, expected 1");
  EXPECT_EQ(Read(R"({"version": 1})"),
            "r.json: protocol: found nothing, expected object");
  EXPECT_EQ(Read(R"({"version": 1, "protocol": {"task": "arc"}})"),
            "r.json: protocol: found arc with windows of 0, expected "
            "perplexity with windows of 2 or more");
  EXPECT_EQ(
      Read(
          R"({"version": 1, "protocol": {"task": "perplexity", "window": 4}, "models": [{"path": "a"}]})"),
      "r.json: models[0]: window_nll: found nothing, expected a list of "
      "numbers");
}

TEST(ReportTest, DegradationIsPerStepOfCompression) {
  EXPECT_DOUBLE_EQ(*DegradationPerCompression(1.06, 400, 100), 2);
  EXPECT_FALSE(DegradationPerCompression(1.06, 100, 100).has_value());
}

TEST(MeasureOrdersTest, OnlyDifferencesBeyondTheIntervalCount) {
  // The second is a little worse everywhere, the third now better, now worse.
  const std::vector<std::vector<WindowTotal>> models = {
      {{8, 4}, {9, 4}, {10, 4}, {11, 4}},
      {{8.4, 4}, {9.4, 4}, {10.4, 4}, {11.4, 4}},
      {{7.5, 4}, {9.6, 4}, {9.5, 4}, {11.6, 4}}};
  EXPECT_THAT(OrdersByPerplexity(models, 42).orders,
              ElementsAre(Order::kFirstBetter, Order::kSame, Order::kSame));
}

TEST(MeasureOrdersTest, DivergenceComparesTheOthersWithEachOther) {
  const std::vector<std::vector<double>> models = {
      {0, 0, 0}, {0.3, 0.4, 0.5}, {0.1, 0.2, 0.3}};
  EXPECT_THAT(OrdersByDivergence(models).orders,
              ElementsAre(Order::kFirstBetter, Order::kFirstBetter,
                          Order::kSecondBetter));
}

TEST(MeasureOrdersTest, SaysWhetherMeasuresContradictEachOther) {
  using enum Order;
  const MeasureOrders measures[] = {
      {"perplexity", {kFirstBetter, kFirstBetter, kSame}},
      {"acc", {kFirstBetter, kSecondBetter, kFirstBetter}}};
  EXPECT_THAT(AgreementTexts(measures),
              ElementsAre("perplexity and acc order the models differently: of "
                          "3 pairs, 1 alike, 1 opposite, 1 that only one of "
                          "them tells apart"));
}

}  // namespace
}  // namespace ram
