#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/cli/commands.h"
#include "ram/cli/table.h"
#include "ram/pipeline/inspect.h"

namespace ram {
namespace {

std::string PercentOf(uint64_t part, uint64_t whole) {
  if (whole == 0) return "-";
  return fmt::format("{:.1f} %", 100.0 * static_cast<double>(part) /
                                     static_cast<double>(whole));
}

std::string Billions(uint64_t weights) {
  const double value = static_cast<double>(weights);
  if (value >= 1e9) return fmt::format("{:.2f} B", value * 1e-9);
  if (value >= 1e6) return fmt::format("{:.2f} M", value * 1e-6);
  return FormatCount(weights);
}

std::string ArchitectureText(const Inspection& inspection) {
  if (inspection.bare_file) {
    return "unknown: a single file, roles are read from the names";
  }
  std::string text =
      fmt::format("{} ({})", inspection.architecture, inspection.model_type);
  if (!inspection.known) {
    text += " - not known here: roles are read from names and shapes";
  }
  if (inspection.tied_head) text += ", the embedding is also the head";
  return text;
}

std::string DTypesText(const Inspection& inspection) {
  std::vector<std::string> parts;
  for (const auto& [dtype, weights] : inspection.weights_per_dtype) {
    parts.push_back(
        fmt::format("{} {}", dtype, PercentOf(weights, inspection.weights)));
  }
  return fmt::format("{}", fmt::join(parts, ", "));
}

// "4-bit g64", or the most frequent of several.
std::string StoredText(const RoleSummary& role) {
  std::vector<std::pair<uint64_t, std::string>> parts;
  for (const auto& [label, weights] : role.weights_per_storage) {
    parts.emplace_back(weights, label);
  }
  if (parts.size() == 1) return parts.front().second;
  std::sort(parts.rbegin(), parts.rend());
  constexpr size_t kShown = 3;
  std::vector<std::string> texts;
  for (size_t i = 0; i < std::min(parts.size(), kShown); ++i) {
    texts.push_back(fmt::format("{} {}", parts[i].second,
                                PercentOf(parts[i].first, role.weights)));
  }
  if (parts.size() > kShown) texts.emplace_back("...");
  return fmt::format("{}", fmt::join(texts, ", "));
}

void PrintRoles(const Inspection& inspection) {
  using enum Table::Align;
  const bool stored = inspection.quantized_weights > 0;
  std::vector<std::string> titles = {"role",  "matrices", "layers", "experts",
                                     "shape", "weights",  "share"};
  std::vector<Table::Align> aligns = {kLeft,  kRight, kRight, kRight,
                                      kRight, kRight, kRight};
  if (stored) {
    titles.emplace_back("stored as");
    aligns.push_back(kLeft);
  }
  Table table(titles, aligns);
  for (const RoleSummary& role : inspection.roles) {
    std::vector<std::string> row = {
        role.section == "text" ? role.role : role.section + ": " + role.role,
        FormatCount(role.matrices),
        role.layers == 0 ? "-" : FormatCount(role.layers),
        role.experts == 0 ? "-" : FormatCount(role.experts),
        role.shape,
        Billions(role.weights),
        PercentOf(role.weights, inspection.weights)};
    if (stored) row.push_back(StoredText(role));
    table.Add(row);
  }
  fmt::print("{}\n", table.Text());
}

void PrintPatterns(const Inspection& inspection) {
  using enum Table::Align;
  Table table({"name pattern", "tensors", "dtype", "shape", "use", "size"},
              {kLeft, kRight, kLeft, kRight, kLeft, kRight});
  for (const NamePattern& pattern : inspection.patterns) {
    table.Add({pattern.pattern, FormatCount(pattern.tensors), pattern.dtype,
               pattern.shape, pattern.use, FormatByteSize(pattern.bytes)});
  }
  fmt::print("{}", table.Text());
}

void Print(const Inspection& inspection) {
  fmt::print(
      "{}\n",
      FactLines({{"model", inspection.path},
                 {"architecture", ArchitectureText(inspection)},
                 {"files", fmt::format("{}, {}", inspection.files,
                                       FormatByteSize(inspection.file_bytes))},
                 {"tensors", FormatCount(inspection.tensors)},
                 {"weights", FormatCount(inspection.weights)},
                 {"dtypes", DTypesText(inspection)},
                 {"layers", FormatCount(inspection.layers)},
                 {"matrices", FormatCount(inspection.matrices)}}));
  PrintRoles(inspection);
  PrintPatterns(inspection);
}

}  // namespace

void AddInspectCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "inspect", "Show what a checkpoint holds: roles, names, sizes, types");
  command->footer(
      "Reads headers only, so it takes no time on any size.\n"
      "Example: ram inspect models/wiki-dense");
  auto model = std::make_shared<std::string>();
  command->add_option("MODEL", *model, "A model directory or .safetensors file")
      ->required();
  command->callback([model, &global] {
    const Inspection inspection = Inspect(Checkpoint::Open(*model));
    if (global.json) {
      fmt::print("{}\n", InspectionToJson(inspection).dump(2));
    } else if (!global.quiet) {
      Print(inspection);
    }
  });
}

}  // namespace ram
