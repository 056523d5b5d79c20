#include "ram/xray/charts.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <set>
#include <utility>

namespace ram {
namespace {

constexpr int kQuantiles = 100;

// Columns in the order of a layer's computation as far as it is known.
int RoleOrder(const std::string& role) {
  static constexpr const char* kOrder[] = {
      "embed_tokens",       "q_proj",           "q_a_proj",
      "q_b_proj",           "k_proj",           "v_proj",
      "kv_a_proj",          "embed_q",          "unembed_out",
      "qkv_proj",           "o_proj",           "router",
      "gate_proj",          "up_proj",          "down_proj",
      "shared_expert_gate", "shared_gate_proj", "shared_up_proj",
      "shared_down_proj",   "lm_head"};
  for (int i = 0; i < static_cast<int>(std::size(kOrder)); ++i) {
    if (role == kOrder[i]) return role == "lm_head" ? 1000 : i;
  }
  return 500;
}

std::string RoleLabel(const Matrix& matrix) {
  std::string label = matrix.role;
  if (matrix.expert >= 0) label += " (experts)";
  if (matrix.section != Section::kText) {
    label = fmt::format("{} {}", SectionName(matrix.section), label);
  }
  return label;
}

// Which cell of layer x role every matrix falls into.
struct DepthRoles {
  std::vector<std::string> layers, roles;
  std::vector<size_t> cell;  // of every matrix, row-major

  explicit DepthRoles(const Subject& subject) {
    std::set<int> depths;
    std::set<std::pair<int, std::string>> labels;
    for (const Matrix& matrix : subject.model().matrices) {
      depths.insert(matrix.layer);
      labels.insert({RoleOrder(matrix.role), RoleLabel(matrix)});
    }
    std::map<int, size_t> row;
    std::map<std::string, size_t> col;
    for (const int depth : depths) {
      row[depth] = layers.size();
      layers.push_back(depth < 0 ? "none" : fmt::format("{}", depth));
    }
    for (const auto& [order, label] : labels) {
      col[label] = roles.size();
      roles.push_back(label);
    }
    for (const Matrix& matrix : subject.model().matrices) {
      cell.push_back(row[matrix.layer] * roles.size() + col[RoleLabel(matrix)]);
    }
  }
};

OrderedJson MetricJson(const ChartMetric& metric, OrderedJson values) {
  return {{"name", metric.name},
          {"unit", metric.unit},
          {"digits", metric.digits},
          {"log", metric.log},
          {"values", std::move(values)}};
}

OrderedJson QuantileSeries(const std::string& name,
                           std::vector<double> values) {
  std::sort(values.begin(), values.end());
  OrderedJson x = OrderedJson::array(), y = OrderedJson::array();
  const int points = std::min(kQuantiles, static_cast<int>(values.size()) - 1);
  for (int i = 0; i <= points; ++i) {
    const double percent = points > 0 ? 100.0 * i / points : 0;
    x.push_back(Rounded(percent));
    y.push_back(Rounded(Percentile(values, percent)));
  }
  return {{"name", name}, {"x", std::move(x)}, {"y", std::move(y)}};
}

}  // namespace

OrderedJson Rounded(const std::optional<double>& value, int digits) {
  if (!value || !std::isfinite(*value)) return nullptr;
  if (*value == 0) return 0;
  const double scale =
      std::pow(10.0, digits - 1 - std::floor(std::log10(std::abs(*value))));
  if (!std::isfinite(scale) || scale == 0) return *value;
  const double rounded = std::round(*value * scale) / scale;
  if (rounded == std::floor(rounded) && std::abs(rounded) < 1e15) {
    return static_cast<int64_t>(rounded);
  }
  return rounded;
}

bool IsEmptyChart(const OrderedJson& chart) {
  if (chart.contains("metrics")) return chart["metrics"].empty();
  const OrderedJson& series = chart["series"];
  return std::all_of(series.begin(), series.end(),
                     [](const OrderedJson& each) { return each["x"].empty(); });
}

std::vector<ChartMetric> ShapeMetrics(const Subject& subject,
                                      const Verdict& verdict) {
  const auto& records = subject.manifest.matrices;
  return {{"sensitivity S", "", 3, false,
           [&verdict](size_t i) { return verdict.scores[i]; }},
          {"excess kurtosis", "", 2, false,
           [&records](size_t i) { return records[i].metrics.excess_kurtosis; }},
          {"worst group of 64 (range² / 12 over the mean square)", "", 1, true,
           [&records](size_t i) {
             return std::optional(records[i].worst_group_ratio);
           }},
          {"root mean square of the weights", "", 4, true,
           [&subject](size_t i) { return std::optional(RmsOf(subject, i)); }}};
}

std::vector<ChartMetric> ErrorMetrics(const Subject& subject) {
  std::vector<ChartMetric> metrics;
  for (const int bits : {4, 3, 2, 8}) {
    metrics.push_back(
        {fmt::format("signal to noise at {} bits", bits), "dB", 1, false,
         [&subject, bits](size_t i) { return SnrAt(subject, i, bits); }});
  }
  return metrics;
}

std::vector<ChartMetric> SpectrumMetrics(const Subject& subject) {
  const auto& records = subject.manifest.matrices;
  return {{"stable rank", "", 1, true,
           [&records](size_t i) { return records[i].stable_rank; }},
          {"alpha (heavy-tail exponent)", "", 2, false,
           [&records](size_t i) { return records[i].alpha; }},
          {"spectral concentration", "", 3, false, [&records](size_t i) {
             return records[i].metrics.spectral_concentration;
           }}};
}

std::vector<ChartMetric> Known(const Subject& subject,
                               std::vector<ChartMetric> metrics) {
  std::erase_if(metrics, [&](const ChartMetric& metric) {
    for (size_t i = 0; i < subject.size(); ++i) {
      if (metric.value(i)) return false;
    }
    return true;
  });
  return metrics;
}

OrderedJson DepthRoleChart(const Subject& subject,
                           const std::vector<ChartMetric>& metrics) {
  const DepthRoles grid(subject);
  const size_t cells = grid.layers.size() * grid.roles.size();
  OrderedJson list = OrderedJson::array();
  for (const ChartMetric& metric : metrics) {
    std::vector<double> sums(cells), counts(cells);
    for (size_t i = 0; i < subject.size(); ++i) {
      const auto value = metric.value(i);
      if (!value || !std::isfinite(*value)) continue;
      sums[grid.cell[i]] += *value;
      counts[grid.cell[i]] += 1;
    }
    OrderedJson values = OrderedJson::array();
    for (size_t c = 0; c < cells; ++c) {
      values.push_back(counts[c] > 0 ? Rounded(sums[c] / counts[c])
                                     : OrderedJson(nullptr));
    }
    list.push_back(MetricJson(metric, std::move(values)));
  }
  return {{"kind", "heatmap"},  {"row", "layer"},
          {"col", "role"},      {"rows", grid.layers},
          {"cols", grid.roles}, {"metrics", std::move(list)}};
}

OrderedJson ExpertChart(const std::vector<ExpertSummary>& experts) {
  std::map<int, size_t> rows;
  std::vector<std::string> layers, numbers;
  int most = 0;
  for (const ExpertSummary& expert : experts) {
    if (rows.try_emplace(expert.layer, rows.size()).second) {
      layers.push_back(fmt::format("{}", expert.layer));
    }
    most = std::max(most, expert.expert + 1);
  }
  for (int i = 0; i < most; ++i) numbers.push_back(fmt::format("{}", i));
  const auto metric = [&](const char* name, const char* unit, int digits,
                          auto member) {
    std::vector<OrderedJson> values(layers.size() * numbers.size());
    bool any = false;
    for (const ExpertSummary& expert : experts) {
      auto value = expert.*member;
      any = any || value;
      values[rows[expert.layer] * numbers.size() +
             static_cast<size_t>(expert.expert)] = Rounded(value);
    }
    return std::pair(any, MetricJson({name, unit, digits, false, {}}, values));
  };
  OrderedJson list = OrderedJson::array();
  for (auto& [any, json] :
       {metric("importance (squared error at 3 bits, 1 is average)", "", 2,
               &ExpertSummary::importance),
        metric("simulated load (share of tokens)", "", 3, &ExpertSummary::load),
        metric("signal to noise at 3 bits", "dB", 1, &ExpertSummary::snr3),
        metric("likeness to the most similar expert (cosine)", "", 3,
               &ExpertSummary::similarity),
        metric("excess kurtosis", "", 2, &ExpertSummary::kurtosis)}) {
    if (any) list.push_back(json);
  }
  return {{"kind", "heatmap"}, {"row", "layer"},  {"col", "expert"},
          {"rows", layers},    {"cols", numbers}, {"metrics", std::move(list)}};
}

OrderedJson QuantileChart(const Subject& subject,
                          const std::vector<ChartMetric>& metrics,
                          const std::string& label, bool log) {
  OrderedJson series = OrderedJson::array();
  for (const ChartMetric& metric : metrics) {
    std::vector<double> values;
    for (size_t i = 0; i < subject.size(); ++i) {
      const auto value = metric.value(i);
      if (value && std::isfinite(*value) && (!log || *value > 0)) {
        values.push_back(*value);
      }
    }
    if (!values.empty()) {
      series.push_back(QuantileSeries(metric.name, std::move(values)));
    }
  }
  return {{"kind", "plot"}, {"x", "share of the matrices, %"},
          {"y", label},     {"digits", 2},
          {"logy", log},    {"series", std::move(series)}};
}

OrderedJson RoleQuantileChart(const Subject& subject,
                              const ChartMetric& metric) {
  std::map<std::pair<int, std::string>, std::vector<double>> roles;
  for (size_t i = 0; i < subject.size(); ++i) {
    const auto value = metric.value(i);
    if (!value || !std::isfinite(*value)) continue;
    const Matrix& matrix = subject.matrix(i);
    roles[{RoleOrder(matrix.role), RoleLabel(matrix)}].push_back(*value);
  }
  OrderedJson series = OrderedJson::array();
  for (auto& [key, values] : roles) {
    if (values.size() > 1) {
      series.push_back(QuantileSeries(key.second, std::move(values)));
    }
  }
  return {{"kind", "plot"},
          {"x", "share of the role's matrices, %"},
          {"y", metric.name},
          {"digits", metric.digits},
          {"series", std::move(series)}};
}

OrderedJson CurveChart(const Subject& subject) {
  OrderedJson x = OrderedJson::array(), y = OrderedJson::array();
  for (const CurvePoint& point : subject.curve) {
    if (!(point.predicted_loss > 0)) continue;
    x.push_back(Rounded(point.totals.bits_per_weight));
    y.push_back(Rounded(point.predicted_loss));
  }
  OrderedJson series = OrderedJson::array();
  series.push_back({{"name", "optimal"}, {"x", x}, {"y", y}});
  if (subject.plan) {
    double loss = 0;
    bool known = subject.plan->policy == "optimal";
    for (const PlannedUnit& unit : subject.plan->units) {
      known = known && unit.score.has_value();
      loss += unit.score.value_or(0);
    }
    if (known && loss > 0) {
      series.push_back({{"name", "this plan"},
                        {"x", OrderedJson::array({Rounded(
                                  subject.plan->totals.bits_per_weight, 6)})},
                        {"y", OrderedJson::array({Rounded(loss)})},
                        {"points", true}});
    }
  }
  return {{"kind", "plot"},
          {"x", "bits per weight, scales included"},
          {"y", "predicted loss, nats per token"},
          {"logy", true},
          {"series", std::move(series)}};
}

OrderedJson PlanChart(const Subject& subject) {
  std::map<std::string, int> bits;
  for (const PlannedUnit& unit : subject.plan->units) {
    for (const std::string& tensor : unit.tensors) {
      bits[tensor] = unit.scheme.bits;
    }
  }
  const ChartMetric metric = {
      "bits", "", 1, true, [&](size_t i) -> std::optional<double> {
        const auto found = bits.find(subject.matrix(i).name);
        if (found == bits.end()) return std::nullopt;
        return found->second;
      }};
  OrderedJson chart = DepthRoleChart(subject, {metric});
  OrderedJson& bits_shown = chart["metrics"][0];
  const bool whole = std::none_of(
      bits_shown["values"].begin(), bits_shown["values"].end(),
      [](const OrderedJson& value) { return value.is_number_float(); });
  if (whole) bits_shown["digits"] = 0;  // else means over experts
  return chart;
}

}  // namespace ram
