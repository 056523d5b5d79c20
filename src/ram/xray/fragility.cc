#include "ram/xray/fragility.h"

#include <fmt/format.h>

#include <array>
#include <cmath>

#include "ram/xray/anomaly_list.h"

namespace ram {
namespace {

// The rates are those of docs/xray.md, "Fragility".
constexpr std::array<FragilityIndicator, 3> kIndicators = {{
    {"uneven-channels",
     "spread of the input channels",
     "Channels of very different size share the groups of a row, and the small "
     "ones, which may carry as much, are rounded away. Plain error does not "
     "show it.",
     0.5,
     {6, 2, 3, 37}},
    {"channel-peak",
     "largest input channel",
     "One channel sets the range of a group in every row.",
     12,
     {5, 3, 4, 36}},
    {"kurtosis",
     "largest excess kurtosis",
     "Often taken as the sign of a fragile model; it also rises where nothing "
     "is lost.",
     60,
     {5, 3, 10, 30}},
}};

std::optional<double> ValueOf(const Subject& subject, size_t indicator,
                              size_t matrix) {
  if (indicator == 2) return subject.record(matrix).metrics.excess_kurtosis;
  if (!subject.facts) return std::nullopt;
  const MatrixFacts& facts = subject.facts->matrices[matrix];
  return indicator == 0 ? facts.col_spread : facts.col_peak;
}

}  // namespace

std::span<const FragilityIndicator> FragilityIndicators() {
  return kIndicators;
}

std::vector<std::optional<FragilityValue>> MeasureFragility(
    const Subject& subject) {
  std::vector<std::optional<FragilityValue>> values(kIndicators.size());
  for (size_t i = 0; i < subject.size(); ++i) {
    const Matrix& matrix = subject.matrix(i);
    if (matrix.layer < 0 || matrix.role == "router" ||
        matrix.section != Section::kText || IsDegenerate(subject, i)) {
      continue;
    }
    for (size_t k = 0; k < values.size(); ++k) {
      const auto value = ValueOf(subject, k, i);
      if (!value || !std::isfinite(*value)) continue;
      if (!values[k] || *value > values[k]->value) {
        values[k] = {*value, static_cast<int64_t>(i)};
      }
    }
  }
  return values;
}

std::vector<Finding> FindFragility(const Subject& subject) {
  std::vector<Finding> findings;
  const auto values = MeasureFragility(subject);
  for (size_t k = 0; k < kIndicators.size(); ++k) {
    const FragilityIndicator& indicator = kIndicators[k];
    if (!values[k] || values[k]->value <= indicator.limit) continue;
    const HitRate& rate = indicator.rate;
    Finding finding;
    finding.kind = indicator.kind;
    finding.severity = Severity::kNotice;
    finding.sentence = fmt::format(
        "The {} is {:.2f} in {}, over {:g}: of {} models of the study that "
        "passed this limit {} collapsed at 3 bits, of the {} others {} did.",
        indicator.name, values[k]->value,
        subject.matrix(static_cast<size_t>(values[k]->matrix)).name,
        indicator.limit, rate.hits + rate.false_alarms, rate.hits,
        rate.misses + rate.sound, rate.misses);
    finding.meaning = indicator.meaning;
    finding.section = "fragility";
    finding.hits.push_back(
        {values[k]->matrix, values[k]->value, std::string(indicator.name)});
    findings.push_back(std::move(finding));
  }
  return findings;
}

}  // namespace ram
