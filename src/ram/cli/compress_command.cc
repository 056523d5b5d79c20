#include <fmt/format.h>

#include <cmath>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/base/error.h"
#include "ram/cli/allocate_options.h"
#include "ram/cli/commands.h"
#include "ram/cli/plan_tables.h"
#include "ram/cli/table.h"
#include "ram/cli/terminal.h"
#include "ram/pipeline/compress_job.h"

namespace ram {
namespace {

struct CompressArguments {
  std::string model;
  std::string out;
  std::string plan;
  bool dry_run = false;
  AllocateArguments allocate;
};

double Rate(const CompressResult& result) {
  return static_cast<double>(result.source_bytes) * 1e-9 /
         (result.analyze_seconds + result.allocate_seconds +
          result.write_seconds);
}

std::string BytesText(uint64_t bytes) {
  return fmt::format("{} ({} bytes)", FormatByteSize(bytes),
                     FormatCount(bytes));
}

void PrintDryRun(const CompressResult& result) {
  using enum Table::Align;
  Table table({"file", "bytes"}, {kLeft, kRight});
  uint64_t total = 0;
  for (const PlannedFile& file : result.files) {
    table.Add({file.name, FormatCount(file.bytes)});
    total += file.bytes;
  }
  table.Add({"all weight files", FormatCount(total)});
  fmt::print("{}\n{}", UnitTable(result.plan), table.Text());
}

std::string SizeChange(const CompressResult& result) {
  return fmt::format("{} -> {} ({:.2f} times smaller)",
                     BytesText(result.source_bytes),
                     BytesText(result.plan.totals.file_bytes),
                     static_cast<double>(result.source_bytes) /
                         static_cast<double>(result.plan.totals.file_bytes));
}

std::string ErrorText(const CompressResult& result) {
  if (result.nmse == 0) return "none";
  return fmt::format("{:.2f} dB signal to quantisation noise",
                     -10 * std::log10(result.nmse));
}

std::string TimeText(const CompressResult& result) {
  return fmt::format(
      "analysis {:.2f} s, allocation {:.2f} s, writing {:.2f} s ({:.2f} GB/s); "
      "audit's read-back {:.2f} s, final sync {:.2f} s",
      result.analyze_seconds, result.allocate_seconds, result.write_seconds,
      Rate(result), result.audit_seconds, result.sync_seconds);
}

void PrintResult(const CompressResult& result,
                 const CompressArguments& arguments) {
  const PlanTotals& totals = result.plan.totals;
  const double source_bits =
      8.0 * static_cast<double>(DTypeBytes(result.source_dtype));
  fmt::print("{}\n", UnitTable(result.plan));
  fmt::print(
      "{}",
      FactLines(
          {{"size", SizeChange(result)},
           {"nominal bits",
            fmt::format("{:.2f} -> {:.3f}", source_bits, totals.nominal_bits)},
           {"bpw", fmt::format("{:.2f} -> {:.3f}, scales and biases included",
                               source_bits, totals.bits_per_weight)},
           {"weights", WidthShares(totals)},
           {"error", ErrorText(result)},
           {"audit", fmt::format("{} of {} tensors as planned, {} checked",
                                 FormatCount(result.audit.tensors_checked),
                                 FormatCount(result.audit.tensors_total),
                                 FormatByteSize(result.audit.bytes_checked))},
           {"time", TimeText(result)},
           {"peak memory", FormatByteSize(PeakMemoryBytes())},
           {"written", arguments.out}}));
}

OrderedJson ToJson(const CompressResult& result,
                   const CompressArguments& arguments) {
  OrderedJson json = {{"output", arguments.out},
                      {"target", result.plan.target},
                      {"policy", result.plan.policy},
                      {"source_bytes", result.source_bytes},
                      {"totals", TotalsToJson(result.plan.totals)},
                      {"nmse", result.nmse},
                      {"analyze_seconds", result.analyze_seconds},
                      {"allocate_seconds", result.allocate_seconds},
                      {"write_seconds", result.write_seconds},
                      {"audit_seconds", result.audit_seconds},
                      {"sync_seconds", result.sync_seconds},
                      {"peak_memory_bytes", PeakMemoryBytes()},
                      {"notes", result.plan.notes}};
  for (const PlannedFile& file : result.files) {
    json["files"].push_back({{"name", file.name}, {"bytes", file.bytes}});
  }
  for (const DroppedTensor& dropped : result.plan.dropped) {
    json["dropped"].push_back(
        {{"tensor", dropped.tensor}, {"why", dropped.why}});
  }
  return json;
}

// What was left out, in a few lines however many tensors it was.
void PrintDropped(const Plan& plan) {
  std::vector<std::pair<std::string, uint64_t>> reasons;
  for (const DroppedTensor& dropped : plan.dropped) {
    if (reasons.empty() || reasons.back().first != dropped.why) {
      reasons.emplace_back(dropped.why, 0);
    }
    ++reasons.back().second;
  }
  for (const auto& [why, count] : reasons) {
    fmt::print("left out: {} tensors: {}\n", FormatCount(count), why);
  }
}

void Run(const CompressArguments& arguments, const GlobalOptions& global) {
  CompressOptions options;
  options.target = arguments.allocate.TargetName();
  options.allocate = arguments.allocate.Options();
  if (!arguments.plan.empty()) options.plan = arguments.plan;
  options.seed = global.seed;
  options.threads = global.threads;
  options.allow_nonfinite = global.allow_nonfinite;
  options.dry_run = arguments.dry_run;
  if (arguments.out.empty() && !options.dry_run) {
    Fail(ErrorKind::kUsage,
         "--output: found none, expected a directory to create (or --dry-run)");
  }
  const auto progress = MakeProgress(global);
  const CompressResult result =
      RunCompress(arguments.model, arguments.out, options, *progress);
  if (global.json) {
    fmt::print("{}\n", ToJson(result, arguments).dump(2));
    return;
  }
  if (global.quiet) return;
  if (options.dry_run) {
    PrintDryRun(result);
  } else {
    PrintResult(result, arguments);
  }
  PrintDropped(result.plan);
  for (const std::string& note : result.plan.notes) {
    fmt::print("note: {}\n", note);
  }
}

}  // namespace

void AddCompressCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "compress", "Write a smaller model, audited, in one step");
  command->footer(
      "Without a budget, optimal and ram-v3 take the bytes of uniform 4-bit "
      "g64.\n"
      "Examples:\n"
      "  ram compress models/wiki-dense -o out/wiki\n"
      "  ram compress models/wiki-dense -o out/wiki --size 4.5MB\n"
      "  ram compress models/wiki-dense -o out/wiki --policy uniform --bits 8\n"
      "  ram compress models/wiki-dense --bpw 5 --dry-run");
  auto arguments = std::make_shared<CompressArguments>();
  command->add_option("MODEL", arguments->model, "A model directory")
      ->required();
  command->add_option("-o,--output", arguments->out, "Directory to create");
  command->add_option("--plan", arguments->plan,
                      "Follow this plan.json instead of making one");
  command->add_flag("--dry-run", arguments->dry_run,
                    "Say what would be written, to the byte, and stop");
  arguments->allocate.AddTo(*command);
  command->callback([arguments, &global] { Run(*arguments, global); });
}

}  // namespace ram
