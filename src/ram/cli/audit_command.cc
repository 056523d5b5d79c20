#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "ram/base/byte_size.h"
#include "ram/base/error.h"
#include "ram/cli/commands.h"
#include "ram/cli/table.h"
#include "ram/cli/terminal.h"
#include "ram/export/audit.h"

namespace ram {
namespace {

struct AuditArguments {
  std::string out;
  std::string source;
};

void Print(const AuditResult& result) {
  for (const AuditFinding& finding : result.findings) {
    fmt::print("{}\n", FindingText(finding));
  }
  std::vector<std::pair<std::string, std::string>> facts = {
      {"tensors", fmt::format("{} of {} stored as decided",
                              FormatCount(result.tensors_checked),
                              FormatCount(result.tensors_total))},
      {"checked",
       fmt::format("{} in {:.2f} s", FormatByteSize(result.bytes_checked),
                   result.seconds)}};
  if (result.source_checked) {
    facts.emplace_back(
        "decoded", fmt::format("{} units; errors agree with the record within "
                               "{:.1e}",
                               FormatCount(result.units_decoded),
                               result.largest_error_deviation));
  }
  facts.emplace_back(
      "audit", result.holds()
                   ? "holds"
                   : fmt::format("FAILS: {} findings", result.findings.size()));
  fmt::print("{}", FactLines(facts));
}

void Run(const AuditArguments& arguments, const GlobalOptions& global) {
  AuditOptions options;
  options.threads = global.threads;
  if (!arguments.source.empty()) options.source = arguments.source;
  const auto progress = MakeProgress(global);
  const AuditResult result = Audit(arguments.out, options, *progress);
  if (global.json) {
    fmt::print("{}\n", AuditToJson(result).dump(2));
  } else if (!global.quiet) {
    Print(result);
  }
  if (!result.holds()) {
    Fail(ErrorKind::kGate,
         "{}: found {} differences, expected none (first: {})", arguments.out,
         result.findings.size(), FindingText(result.findings.front()));
  }
}

}  // namespace

void AddAuditCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "audit", "Prove that an output holds what its plan says");
  command->footer(
      "Example: ram audit out/wiki-4bit --source models/wiki-dense\n"
      "Exit code 6 when anything differs.");
  auto arguments = std::make_shared<AuditArguments>();
  command->add_option("OUT", arguments->out, "What `ram compress` wrote")
      ->required();
  command->add_option("--source", arguments->source,
                      "The original: decode every tensor and compare, too");
  command->callback([arguments, &global] { Run(*arguments, global); });
}

}  // namespace ram
