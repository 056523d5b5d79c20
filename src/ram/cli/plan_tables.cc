#include "ram/cli/plan_tables.h"

#include <fmt/format.h>

#include <cctype>
#include <map>

#include "ram/base/byte_size.h"
#include "ram/cli/table.h"

namespace ram {
namespace {

// The last part of a module path that is not a number: "up_proj".
std::string KindOf(const std::string& unit) {
  std::string_view rest = unit;
  while (true) {
    const size_t dot = rest.rfind('.');
    const std::string_view part =
        dot == rest.npos ? rest : rest.substr(dot + 1);
    const bool number =
        !part.empty() && std::isdigit(static_cast<unsigned char>(part[0])) != 0;
    if (!number || dot == rest.npos) return std::string(part);
    rest = rest.substr(0, dot);
  }
}

}  // namespace

std::string WidthShares(const PlanTotals& totals) {
  std::vector<std::string> parts;
  for (const auto& [bits, weights] : totals.weights_per_bits) {
    parts.push_back(fmt::format("{} bits {:.1f} %", bits,
                                100.0 * static_cast<double>(weights) /
                                    static_cast<double>(totals.weights)));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

std::string UnitTable(const Plan& plan) {
  std::map<std::string, std::map<Scheme, uint64_t>> kinds;
  for (const PlannedUnit& unit : plan.units) {
    ++kinds[KindOf(unit.unit)][unit.scheme];
  }
  using enum Table::Align;
  Table table({"module", "units at each precision"}, {kLeft, kLeft});
  for (const auto& [kind, schemes] : kinds) {
    std::vector<std::string> parts;
    for (const auto& [scheme, count] : schemes) {
      parts.push_back(fmt::format("{} x {}", count, SchemeLabel(scheme)));
    }
    table.Add({kind, fmt::format("{}", fmt::join(parts, ", "))});
  }
  return table.Text();
}

std::string CurveTable(const std::vector<CurvePoint>& curve) {
  using enum Table::Align;
  Table table({"size", "bpw", "nominal bits", "predicted loss", "weakest unit"},
              {kRight, kRight, kRight, kRight, kRight});
  for (const CurvePoint& point : curve) {
    table.Add({FormatByteSize(point.totals.file_bytes),
               fmt::format("{:.3f}", point.totals.bits_per_weight),
               fmt::format("{:.3f}", point.totals.nominal_bits),
               fmt::format("{:.5f}", point.predicted_loss),
               fmt::format("{:.1f} dB", point.smallest_snr_db)});
  }
  return table.Text();
}

OrderedJson CurveToJson(const std::vector<CurvePoint>& curve) {
  OrderedJson json = OrderedJson::array();
  for (const CurvePoint& point : curve) {
    OrderedJson entry = TotalsToJson(point.totals);
    entry["predicted_loss"] = point.predicted_loss;
    entry["smallest_snr_db"] = point.smallest_snr_db;
    json.push_back(std::move(entry));
  }
  return json;
}

OrderedJson TotalsToJson(const PlanTotals& totals) {
  OrderedJson json = {{"bytes", totals.bytes},
                      {"file_bytes", totals.file_bytes},
                      {"weights", totals.weights},
                      {"nominal_bits", totals.nominal_bits},
                      {"bpw", totals.bits_per_weight}};
  OrderedJson& widths = json["weights_per_bits"] = OrderedJson::object();
  for (const auto& [bits, weights] : totals.weights_per_bits) {
    widths[std::to_string(bits)] = weights;
  }
  return json;
}

}  // namespace ram
