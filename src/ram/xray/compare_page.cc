#include "ram/xray/compare_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/xray/page.h"

namespace ram {
namespace {

// A page with more rows than this opens slowly, and nobody reads them.
constexpr size_t kMostRows = 5000;

using Value = std::function<std::optional<double>(const MatrixChange&)>;

// To four digits, so that pages stay small.
OrderedJson Rounded(std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return nullptr;
  if (*value == 0) return 0;
  const double scale =
      std::pow(10.0, 3 - std::floor(std::log10(std::fabs(*value))));
  return std::round(*value * scale) / scale;
}

std::string List(const std::vector<std::string>& lines) {
  std::string html = "<ul>";
  for (const std::string& line : lines) {
    html += "<li>" + EscapeHtml(line) + "</li>";
  }
  return html + "</ul>";
}

// The mean over the matrices in one place (experts).
OrderedJson Metric(const Comparison& comparison, const char* name,
                   const char* unit, bool log,
                   const std::map<int, size_t>& layers,
                   const std::map<std::string, size_t>& roles,
                   const Value& value) {
  std::vector<double> sums(layers.size() * roles.size(), 0);
  std::vector<uint64_t> counts(sums.size(), 0);
  for (const MatrixChange& change : comparison.matrices) {
    if (change.layer < 0) continue;
    const auto number = value(change);
    if (!number || !std::isfinite(*number)) continue;
    const size_t at =
        layers.at(change.layer) * roles.size() + roles.at(change.role);
    sums[at] += *number;
    ++counts[at];
  }
  OrderedJson values = OrderedJson::array();
  for (size_t i = 0; i < sums.size(); ++i) {
    values.push_back(
        Rounded(counts[i] == 0
                    ? std::nullopt
                    : std::optional(sums[i] / static_cast<double>(counts[i]))));
  }
  return {{"name", name},
          {"unit", unit},
          {"digits", 3},
          {"log", log},
          {"values", std::move(values)}};
}

OrderedJson HeatMap(const Comparison& comparison) {
  std::map<int, size_t> layers;
  std::map<std::string, size_t> roles;
  for (const MatrixChange& change : comparison.matrices) {
    if (change.layer < 0) continue;
    layers.try_emplace(change.layer, 0);
    roles.try_emplace(change.role, 0);
  }
  std::vector<std::string> rows, cols;
  for (auto& [layer, index] : layers) {
    index = rows.size();
    rows.push_back(fmt::format("{}", layer));
  }
  for (auto& [role, index] : roles) {
    index = cols.size();
    cols.push_back(role);
  }
  const auto metric = [&](const char* name, const char* unit, bool log,
                          const Value& value) {
    return Metric(comparison, name, unit, log, layers, roles, value);
  };
  OrderedJson metrics = OrderedJson::array();
  metrics.push_back(metric("relative change", "%", false, [](const auto& m) {
    return std::optional(100 * m.relative_change());
  }));
  metrics.push_back(metric("weights changed", "%", false, [](const auto& m) {
    return std::optional(100 * m.changed_share());
  }));
  metrics.push_back(metric("zeros", "%", false, [](const auto& m) {
    return std::optional(100 * static_cast<double>(m.sums.tuned_zeros) /
                         static_cast<double>(m.sums.weights));
  }));
  metrics.push_back(metric("change held by 16 directions", "%", false,
                           [](const auto& m) -> std::optional<double> {
                             if (!m.energy_16) return std::nullopt;
                             return 100 * *m.energy_16;
                           }));
  metrics.push_back(metric("agreement with the original", "", false,
                           [](const auto& m) -> std::optional<double> {
                             if (!m.alignment) return std::nullopt;
                             return m.alignment->agreement;
                           }));
  return {{"kind", "heatmap"}, {"row", "layer"}, {"col", "role"},
          {"rows", rows},      {"cols", cols},   {"metrics", metrics}};
}

OrderedJson MatrixColumns(const std::vector<const MatrixChange*>& changed) {
  const auto texts = [&](const char* name, const auto& value) {
    OrderedJson values = OrderedJson::array();
    for (const MatrixChange* change : changed) values.push_back(value(*change));
    return OrderedJson{{"name", name}, {"values", std::move(values)}};
  };
  const auto numbers = [&](const char* name, const Value& value) {
    OrderedJson column =
        texts(name, [&](const MatrixChange& m) { return Rounded(value(m)); });
    column["digits"] = 3;
    return column;
  };
  OrderedJson columns = OrderedJson::array();
  columns.push_back(texts("matrix", [](const auto& m) { return m.name; }));
  columns.push_back(numbers("change, %", [](const auto& m) {
    return std::optional(100 * m.relative_change());
  }));
  columns.push_back(numbers(
      "cosine", [](const auto& m) { return std::optional(m.cosine()); }));
  columns.push_back(numbers("weights changed, %", [](const auto& m) {
    return std::optional(100 * m.changed_share());
  }));
  const auto alignment = [&](const char* name, auto field) {
    columns.push_back(
        numbers(name, [field](const auto& m) -> std::optional<double> {
          if (!m.alignment) return std::nullopt;
          return *m.alignment.*field;
        }));
  };
  alignment("agreement", &ChangeAlignment::agreement);
  alignment("strength", &ChangeAlignment::strength);
  columns.push_back(texts("verdict", [](const auto& m) {
    std::string text(ChangeKindName(m.kind));
    if (!m.detail.empty()) text += ": " + m.detail;
    if (m.base_name != m.name) text += ", was " + m.base_name;
    return text;
  }));
  return columns;
}

void AddMatrices(const Comparison& comparison, Page& page) {
  std::vector<const MatrixChange*> changed;
  for (const MatrixChange& m : comparison.matrices) {
    if (m.kind != ChangeKind::kSame) changed.push_back(&m);
  }
  if (changed.empty()) return;
  std::stable_sort(changed.begin(), changed.end(),
                   [](const MatrixChange* a, const MatrixChange* b) {
                     return a->relative_change() > b->relative_change();
                   });
  const size_t all = changed.size();
  if (all > kMostRows) changed.resize(kMostRows);
  page.data["tables"]["matrices"] = {
      {"columns", MatrixColumns(changed)}, {"sort", 1}, {"down", true}};
  page.sections.push_back(
      {"matrices", "Changed matrices",
       TableHtml(
           "matrices",
           all > kMostRows
               ? fmt::format("The {} most changed of {}",
                             FormatCount(kMostRows), FormatCount(all))
               : fmt::format("All {} changed matrices", FormatCount(all)))});
}

void AddConfig(const Comparison& comparison, Page& page) {
  if (comparison.config.empty()) return;
  std::vector<std::string> lines;
  for (const ConfigChange& change : comparison.config) {
    const auto shown = [](const std::string& value) {
      return value.empty() ? std::string("nothing") : value;
    };
    lines.push_back(fmt::format("{}: {} became {}", change.key,
                                shown(change.base), shown(change.tuned)));
  }
  page.sections.push_back({"config", "config.json", List(lines)});
}

}  // namespace

std::string ComparisonToHtml(const Comparison& comparison) {
  Page page;
  page.title = "What became of a model";
  page.subtitle =
      fmt::format("{} against {}", comparison.tuned, comparison.base);
  page.data = {{"charts", OrderedJson::object()},
               {"tables", OrderedJson::object()}};
  page.sections.push_back(
      {"words", "What was found", List(CompareInWords(comparison))});
  OrderedJson map = HeatMap(comparison);
  if (!map["rows"].empty()) {
    page.data["charts"]["change"] = std::move(map);
    page.sections.push_back(
        {"map", "Where it changed",
         ChartHtml("change",
                   "Layers and roles; experts of a layer are averaged")});
  }
  AddMatrices(comparison, page);
  AddConfig(comparison, page);
  if (!comparison.notes.empty()) {
    page.sections.push_back({"notes", "Notes", List(comparison.notes)});
  }
  return RenderPage(page);
}

}  // namespace ram
