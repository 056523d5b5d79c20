#include "ram/xray/tables.h"

#include <fmt/format.h>

#include <map>
#include <utility>

namespace ram {
namespace {

std::string Replaced(std::string text, const std::string& from,
                     const std::string& to) {
  const size_t at = text.find(from);
  if (at != std::string::npos) text.replace(at, from.size(), to);
  return text;
}

// Names as a few patterns with numbers.
OrderedJson NamesJson(const Subject& subject) {
  std::map<std::string, size_t> seen;
  OrderedJson patterns = OrderedJson::array(), index = OrderedJson::array(),
              layers = OrderedJson::array(), experts = OrderedJson::array();
  for (const Matrix& matrix : subject.model().matrices) {
    std::string name = matrix.name;
    OrderedJson layer = "{l}", expert = "{e}";
    // A name that holds the marks itself stays whole.
    if (name.find('{') == std::string::npos) {
      if (matrix.layer >= 0) {
        name = Replaced(name, fmt::format(".{}.", matrix.layer), ".{l}.");
        layer = matrix.layer;
      }
      if (matrix.expert >= 0) {
        name = Replaced(name, fmt::format("experts.{}.", matrix.expert),
                        "experts.{e}.");
        expert = matrix.expert;
      }
    }
    const auto [at, added] = seen.try_emplace(name, seen.size());
    if (added) patterns.push_back(name);
    index.push_back(at->second);
    layers.push_back(std::move(layer));
    experts.push_back(std::move(expert));
  }
  return {{"patterns", std::move(patterns)},
          {"pattern", std::move(index)},
          {"layer", std::move(layers)},
          {"expert", std::move(experts)}};
}

OrderedJson Column(const std::string& name, OrderedJson values, int digits) {
  OrderedJson column = {{"name", name}, {"values", std::move(values)}};
  if (digits >= 0) column["digits"] = digits;
  return column;
}

}  // namespace

OrderedJson MatrixTable(const Subject& subject,
                        const std::vector<ChartMetric>& metrics) {
  OrderedJson columns = OrderedJson::array();
  columns.push_back({{"name", "matrix"}, {"names", true}});
  OrderedJson rows = OrderedJson::array(), cols = OrderedJson::array();
  for (const Matrix& matrix : subject.model().matrices) {
    rows.push_back(matrix.rows);
    cols.push_back(matrix.cols);
  }
  columns.push_back(Column("rows", std::move(rows), 0));
  columns.push_back(Column("columns", std::move(cols), 0));
  for (const ChartMetric& metric : metrics) {
    OrderedJson values = OrderedJson::array();
    for (size_t i = 0; i < subject.size(); ++i) {
      values.push_back(Rounded(metric.value(i)));
    }
    const size_t end = metric.name.find(" (");
    std::string name = metric.name.substr(0, end);
    if (!metric.unit.empty()) name += ", " + metric.unit;
    columns.push_back(Column(name, std::move(values), metric.digits));
  }
  return {{"columns", std::move(columns)}, {"names", NamesJson(subject)}};
}

OrderedJson PlanTable(const Plan& plan) {
  OrderedJson unit = OrderedJson::array(), scheme = OrderedJson::array(),
              bytes = OrderedJson::array(), score = OrderedJson::array(),
              reason = OrderedJson::array();
  for (const PlannedUnit& planned : plan.units) {
    unit.push_back(planned.unit);
    scheme.push_back(SchemeLabel(planned.scheme));
    bytes.push_back(planned.bytes);
    score.push_back(Rounded(planned.score));
    // Its scheme stands in a column of its own.
    const std::string label = SchemeLabel(planned.scheme) + ": ";
    reason.push_back(planned.reason.starts_with(label)
                         ? planned.reason.substr(label.size())
                         : planned.reason);
  }
  return {{"columns",
           OrderedJson::array(
               {Column("unit", std::move(unit), -1),
                Column("precision", std::move(scheme), -1),
                Column("bytes", std::move(bytes), 0),
                Column(plan.policy == "optimal" ? "predicted loss" : "score",
                       std::move(score), -1),
                Column("reason", std::move(reason), -1)})}};
}

OrderedJson ExpertTable(const std::vector<ExpertSummary>& experts) {
  OrderedJson layer = OrderedJson::array(), number = OrderedJson::array(),
              importance = OrderedJson::array(), load = OrderedJson::array(),
              snr = OrderedJson::array(), like = OrderedJson::array(),
              who = OrderedJson::array();
  for (const ExpertSummary& expert : experts) {
    layer.push_back(expert.layer);
    number.push_back(expert.expert);
    importance.push_back(Rounded(expert.importance, 3));
    load.push_back(Rounded(expert.load, 3));
    snr.push_back(Rounded(expert.snr3, 3));
    like.push_back(Rounded(expert.similarity, 3));
    who.push_back(expert.most_similar < 0 ? OrderedJson(nullptr)
                                          : OrderedJson(expert.most_similar));
  }
  return {{"columns",
           OrderedJson::array({Column("layer", std::move(layer), 0),
                               Column("expert", std::move(number), 0),
                               Column("importance", std::move(importance), 2),
                               Column("simulated load", std::move(load), 4),
                               Column("dB at 3 bits", std::move(snr), 1),
                               Column("highest cosine", std::move(like), 3),
                               Column("with expert", std::move(who), 0)})},
          {"sort", 2},
          {"down", true}};
}

}  // namespace ram
