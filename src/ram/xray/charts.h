// Numbers of a model as the charts of page.h want them.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "ram/base/json.h"
#include "ram/xray/experts.h"
#include "ram/xray/subject.h"
#include "ram/xray/verdict.h"

namespace ram {

// `digits` significant ones; null for what is not a finite number. Keeps pages
// small.
OrderedJson Rounded(const std::optional<double>& value, int digits = 4);

// Whether there is nothing to draw: no metric, or no point.
bool IsEmptyChart(const OrderedJson& chart);

// A number per matrix; nullopt where unknown.
struct ChartMetric {
  std::string name, unit;
  int digits = 2;  // after the point
  bool log = false;
  std::function<std::optional<double>(size_t matrix)> value;
};
// Sensitivity, kurtosis, worst group, size.
std::vector<ChartMetric> ShapeMetrics(const Subject& subject,
                                      const Verdict& verdict);
// Decibels at 2, 3, 4 and 8 bits.
std::vector<ChartMetric> ErrorMetrics(const Subject& subject);
// Stable rank, alpha, concentration.
std::vector<ChartMetric> SpectrumMetrics(const Subject& subject);
// Those of them that some matrix has.
std::vector<ChartMetric> Known(const Subject& subject,
                               std::vector<ChartMetric> metrics);

// Layer x role, the mean over the experts of a layer; matrices outside the
// layers have a column of their own.
OrderedJson DepthRoleChart(const Subject& subject,
                           const std::vector<ChartMetric>& metrics);
// Layer x expert.
OrderedJson ExpertChart(const std::vector<ExpertSummary>& experts);
// Each metric over the matrices, sorted: what share of them lies under it.
OrderedJson QuantileChart(const Subject& subject,
                          const std::vector<ChartMetric>& metrics,
                          const std::string& label, bool log);
// One metric, a line per role.
OrderedJson RoleQuantileChart(const Subject& subject,
                              const ChartMetric& metric);
// Size against predicted loss, with the plan's point.
OrderedJson CurveChart(const Subject& subject);
// Layer x role: bits per weight of the plan, nominal.
OrderedJson PlanChart(const Subject& subject);

}  // namespace ram
