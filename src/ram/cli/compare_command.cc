#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/base/output.h"
#include "ram/base/stopwatch.h"
#include "ram/cli/commands.h"
#include "ram/cli/table.h"
#include "ram/cli/terminal.h"
#include "ram/pipeline/compare_job.h"
#include "ram/xray/compare_page.h"

namespace ram {
namespace {

std::string PercentText(double share) {
  if (!std::isfinite(share)) return "-";
  return fmt::format("{:.3g} %", 100 * share);
}

// What became of the matrices of a role.
std::string RoleTable(const Comparison& comparison) {
  constexpr std::array kKinds = {ChangeKind::kSame,      ChangeKind::kRounding,
                                 ChangeKind::kScaled,    ChangeKind::kPruned,
                                 ChangeKind::kQuantized, ChangeKind::kLowRank,
                                 ChangeKind::kFullRank};
  struct Row {
    uint64_t matrices = 0;
    std::map<ChangeKind, uint64_t> kinds;
    std::vector<double> relative;
    double least_cosine = 1;
  };
  std::vector<std::string> order;
  std::map<std::string, Row> rows;
  std::map<ChangeKind, bool> seen;
  for (const MatrixChange& m : comparison.matrices) {
    const auto [at, fresh] = rows.try_emplace(m.role);
    if (fresh) order.push_back(m.role);
    Row& row = at->second;
    ++row.matrices;
    ++row.kinds[m.kind];
    seen[m.kind] = true;
    row.relative.push_back(m.relative_change());
    row.least_cosine = std::min(row.least_cosine, m.cosine());
  }
  using enum Table::Align;
  std::vector<std::string> titles = {"role", "matrices"};
  std::vector<Table::Align> aligns = {kLeft, kRight};
  for (const ChangeKind kind : kKinds) {
    if (!seen[kind]) continue;
    titles.emplace_back(ChangeKindName(kind));
    aligns.push_back(kRight);
  }
  titles.insert(titles.end(), {"median change", "largest", "least cosine"});
  aligns.insert(aligns.end(), {kRight, kRight, kRight});
  Table table(titles, aligns);
  for (const std::string& role : order) {
    Row& row = rows[role];
    std::sort(row.relative.begin(), row.relative.end());
    std::vector<std::string> cells = {role, FormatCount(row.matrices)};
    for (const ChangeKind kind : kKinds) {
      if (!seen[kind]) continue;
      cells.push_back(row.kinds[kind] == 0 ? "-"
                                           : FormatCount(row.kinds[kind]));
    }
    cells.push_back(PercentText(row.relative[row.relative.size() / 2]));
    cells.push_back(PercentText(row.relative.back()));
    cells.push_back(fmt::format("{:.5f}", row.least_cosine));
    table.Add(cells);
  }
  return table.Text();
}

std::string MatrixTable(const Comparison& comparison, size_t most) {
  std::vector<const MatrixChange*> changed;
  for (const MatrixChange& m : comparison.matrices) {
    if (m.kind != ChangeKind::kSame) changed.push_back(&m);
  }
  std::stable_sort(changed.begin(), changed.end(),
                   [](const MatrixChange* a, const MatrixChange* b) {
                     return a->relative_change() > b->relative_change();
                   });
  if (changed.empty()) return "";
  using enum Table::Align;
  Table table(
      {"most changed", "change", "cosine", "weights", "zeros", "verdict"},
      {kLeft, kRight, kRight, kRight, kRight, kLeft});
  for (size_t i = 0; i < std::min(most, changed.size()); ++i) {
    const MatrixChange& m = *changed[i];
    const double zeros = static_cast<double>(m.sums.tuned_zeros) /
                         static_cast<double>(m.sums.weights);
    std::string verdict = std::string(ChangeKindName(m.kind));
    if (!m.detail.empty()) verdict += ": " + m.detail;
    if (m.base_name != m.name) verdict += ", was " + m.base_name;
    table.Add({m.name, PercentText(m.relative_change()),
               fmt::format("{:.5f}", m.cosine()),
               PercentText(m.changed_share()), PercentText(zeros), verdict});
  }
  return table.Text();
}

void Print(const Comparison& comparison, size_t most, double seconds) {
  for (const std::string& sentence : CompareInWords(comparison)) {
    fmt::print("{}\n", sentence);
  }
  fmt::print("\n{}\n", RoleTable(comparison));
  const std::string matrices = MatrixTable(comparison, most);
  if (!matrices.empty()) fmt::print("{}\n", matrices);
  if (!comparison.config.empty()) {
    using enum Table::Align;
    Table table({"config.json", "base", "tuned"}, {kLeft, kLeft, kLeft});
    for (const ConfigChange& change : comparison.config) {
      const auto shown = [](const std::string& value) {
        if (value.empty()) return std::string("-");
        return value.size() > 40 ? value.substr(0, 37) + "..." : value;
      };
      table.Add({change.key, shown(change.base), shown(change.tuned)});
    }
    fmt::print("{}\n", table.Text());
  }
  fmt::print("{}",
             FactLines({{"compared", fmt::format("{} with {}", comparison.tuned,
                                                 comparison.base)},
                        {"time", fmt::format("{:.2f} s", seconds)},
                        {"peak memory", FormatByteSize(PeakMemoryBytes())}}));
  for (const std::string& note : comparison.notes) {
    fmt::print("note: {}\n", note);
  }
}

}  // namespace

void AddCompareCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "compare", "What fine-tuning, merging, pruning or quantising changed");
  command->footer(
      "Example: ram compare models/wiki-dense out/wiki-4bit -o compare.html\n"
      "docs/compare.md says how each verdict is reached.");
  struct Arguments {
    std::string base;
    std::string tuned;
    std::string out;
    size_t most = 12;
  };
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("BASE", arguments->base,
                   "What the other was made from: a directory, a GGUF file or "
                   "a .safetensors file")
      ->required();
  command->add_option("TUNED", arguments->tuned, "What was made from it")
      ->required();
  command->add_option("-o,--output", arguments->out,
                      "An HTML page to write, with a heat map");
  command->add_option("--most", arguments->most, "Changed matrices to list")
      ->capture_default_str();
  command->callback([arguments, &global] {
    const Stopwatch stopwatch;
    const auto progress = MakeProgress(global);
    const CompareOptions options{global.seed, global.threads};
    const Comparison comparison =
        RunCompare(arguments->base, arguments->tuned, options, *progress);
    const double seconds = stopwatch.Seconds();
    if (!arguments->out.empty()) {
      WriteNewFile(arguments->out, ComparisonToHtml(comparison));
    }
    if (global.json) {
      fmt::print("{}\n",
                 ComparisonToJson(comparison)
                     .dump(2, ' ', false, Json::error_handler_t::replace));
    } else if (!global.quiet) {
      Print(comparison, arguments->most, seconds);
    }
  });
}

}  // namespace ram
