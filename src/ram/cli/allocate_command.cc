#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "ram/analysis/manifest.h"
#include "ram/base/byte_size.h"
#include "ram/base/output.h"
#include "ram/cli/allocate_options.h"
#include "ram/cli/commands.h"
#include "ram/cli/plan_tables.h"
#include "ram/cli/table.h"
#include "ram/target/target.h"

namespace ram {
namespace {

struct AllocateRun {
  std::string manifest;
  std::string out;
  bool curve = false;
  AllocateArguments allocate;
};

void PrintPlan(const Plan& plan) {
  fmt::print("{}\n", UnitTable(plan));
  fmt::print(
      "{}",
      FactLines(
          {{"weight files",
            fmt::format("{} ({} bytes)", FormatByteSize(plan.totals.file_bytes),
                        FormatCount(plan.totals.file_bytes))},
           {"nominal bits", fmt::format("{:.3f}", plan.totals.nominal_bits)},
           {"bpw", fmt::format("{:.3f}", plan.totals.bits_per_weight)},
           {"weights", WidthShares(plan.totals)}}));
  for (const std::string& note : plan.notes) fmt::print("note: {}\n", note);
}

void Run(const AllocateRun& arguments, const GlobalOptions& global) {
  const AllocateOptions options = arguments.allocate.Options();
  const Target& target = FindTarget(arguments.allocate.TargetName());
  const Manifest manifest = ReadManifest(arguments.manifest);
  if (arguments.curve) {
    const auto curve = Curve(manifest, target, options, 16);
    if (global.json) {
      fmt::print("{}\n", CurveToJson(curve).dump(2));
    } else {
      fmt::print("{}", CurveTable(curve));
    }
    return;
  }
  const Plan plan = Allocate(manifest, target, options);
  if (!arguments.out.empty()) WriteNewFile(arguments.out, PlanToJson(plan));
  if (global.json) {
    fmt::print("{}\n", TotalsToJson(plan.totals).dump(2));
  } else if (!global.quiet) {
    PrintPlan(plan);
  }
}

}  // namespace

void AddAllocateCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "allocate", "Decide the bits of every unit; write a plan");
  command->footer(
      "Example: ram allocate out/wiki-analysis/manifest.json --bpw 4.5 -o "
      "plan.json\n"
      "         ram allocate out/wiki-analysis/manifest.json --curve\n"
      "         ram allocate out/wiki-analysis/manifest.json --set "
      "'*.down_proj=8'");
  auto arguments = std::make_shared<AllocateRun>();
  command->add_option("MANIFEST", arguments->manifest, "manifest.json")
      ->required();
  command->add_option("-o,--output", arguments->out, "plan.json to write");
  command->add_flag("--curve", arguments->curve,
                    "Show the frontier of size and predicted loss instead");
  arguments->allocate.AddTo(*command);
  command->callback([arguments, &global] { Run(*arguments, global); });
}

}  // namespace ram
