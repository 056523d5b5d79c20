#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/cli/commands.h"
#include "ram/cli/table.h"
#include "ram/pipeline/explain.h"

namespace ram {
namespace {

struct ExplainArguments {
  std::string out;
  std::string tensor;
};

std::string Decibels(double nmse) {
  if (nmse <= 0) return "exact";
  return fmt::format("{:.2f}", -10 * std::log10(nmse));
}

void PrintCandidates(const PlannedUnit& unit) {
  using enum Table::Align;
  Table table({"", "precision", "bytes", "SNR, dB", "predicted loss",
               "loss saved per MB"},
              {kLeft, kLeft, kRight, kRight, kRight, kRight});
  const Candidate* previous = nullptr;
  for (const Candidate& candidate : unit.candidates) {
    std::string price = "-";
    if (previous != nullptr && candidate.bytes > previous->bytes) {
      price = fmt::format(
          "{:.3g}", (previous->loss - candidate.loss) * 1e6 /
                        static_cast<double>(candidate.bytes - previous->bytes));
    }
    table.Add({candidate.scheme == unit.scheme ? "->" : "",
               SchemeLabel(candidate.scheme), FormatCount(candidate.bytes),
               Decibels(candidate.nmse), fmt::format("{:.4g}", candidate.loss),
               price});
    previous = &candidate;
  }
  fmt::print("\n{}", table.Text());
}

void Print(const Explanation& explanation) {
  if (!explanation.why_dropped.empty()) {
    fmt::print("{}: left out: {}\n", explanation.asked,
               explanation.why_dropped);
    return;
  }
  if (explanation.plain) {
    fmt::print("{}: {}\n", explanation.asked, *explanation.plain);
    return;
  }
  const PlannedUnit& unit = explanation.unit;
  std::vector<std::pair<std::string, std::string>> facts = {
      {"unit", unit.unit},
      {"holds", unit.tensors.size() == 1
                    ? unit.tensors[0]
                    : fmt::format("{} matrices, {} to {}", unit.tensors.size(),
                                  unit.tensors.front(), unit.tensors.back())},
      {"weights", FormatCount(unit.weights)},
      {"stored as",
       fmt::format("{}, {} bytes ({:.3f} bits per weight)",
                   SchemeLabel(unit.scheme), FormatCount(unit.bytes),
                   8.0 * static_cast<double>(unit.bytes) /
                       static_cast<double>(unit.weights))},
      {"because", unit.reason}};
  if (unit.score)
    facts.emplace_back("score", fmt::format("{:.5g}", *unit.score));
  if (unit.nmse) facts.emplace_back("predicted SNR, dB", Decibels(*unit.nmse));
  if (explanation.stored_nmse) {
    facts.emplace_back("stored SNR, dB", Decibels(*explanation.stored_nmse));
  }
  fmt::print("{}", FactLines(facts));
  if (!unit.candidates.empty()) PrintCandidates(unit);
}

void Run(const ExplainArguments& arguments, const GlobalOptions& global) {
  const Explanation explanation = Explain(arguments.out, arguments.tensor);
  if (global.json) {
    fmt::print("{}\n", ExplanationToJson(explanation).dump(2));
  } else {
    Print(explanation);
  }
}

}  // namespace

void AddExplainCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "explain", "Tell why a tensor got its bits: candidates and prices");
  command->footer(
      "TENSOR is a name in the original or in the output.\n"
      "Example: ram explain out/wiki-4bit model.layers.0.mlp.down_proj");
  auto arguments = std::make_shared<ExplainArguments>();
  command
      ->add_option("OUT", arguments->out,
                   "What `ram compress` wrote, or a plan.json")
      ->required();
  command->add_option("TENSOR", arguments->tensor, "Its name")->required();
  command->callback([arguments, &global] { Run(*arguments, global); });
}

}  // namespace ram
