#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/cli/commands.h"
#include "ram/cli/table.h"
#include "ram/pipeline/fit_job.h"
#include "ram/xray/fit_machines.h"

namespace ram {
namespace {

std::string RowName(const FitRow& row) {
  return row.scheme.empty() ? row.policy
                            : fmt::format("{} {}", row.policy, row.scheme);
}

std::string Tokens(const FitReport& report, uint64_t context) {
  if (context == 0) return "-";
  const bool all = context == report.shape.longest_context;
  return FormatCount(context) + (all ? " (all)" : "");
}

std::string Divergence(const FitRow& row) {
  if (!row.predicted_loss) return "-";
  if (*row.predicted_loss == 0) return "0";
  if (!row.divergence) {
    return *row.predicted_loss < 0.0007 ? "under 0.001" : "not known";
  }
  return fmt::format("{:.2g} ({:.2g} to {:.2g})", row.divergence->kl,
                     row.divergence->low, row.divergence->high);
}

std::string RowTable(const FitReport& report) {
  using enum Table::Align;
  std::vector<std::string> titles = {"stored as", "bpw",  "weights",
                                     "with all",  "fits", "longest context"};
  std::vector<Table::Align> aligns = {kLeft,  kRight, kRight,
                                      kRight, kLeft,  kRight};
  if (report.measured) {
    titles.insert(titles.end(), {"predicted loss", "KL, nats", "weakest unit"});
    aligns.insert(aligns.end(), {kRight, kLeft, kRight});
  }
  Table table(titles, aligns);
  for (const FitRow& row : report.rows) {
    std::vector<std::string> cells = {
        RowName(row),
        fmt::format("{:.3f}", row.bits_per_weight),
        FormatByteSize(row.weight_bytes),
        FormatByteSize(row.total_bytes),
        row.fits ? "yes" : "no",
        Tokens(report, row.longest_context)};
    if (report.measured) {
      cells.push_back(row.predicted_loss
                          ? fmt::format("{:.5f}", *row.predicted_loss)
                          : "-");
      cells.push_back(Divergence(row));
      cells.push_back(row.weakest_snr_db
                          ? fmt::format("{:.1f} dB", *row.weakest_snr_db)
                          : "-");
    }
    table.Add(cells);
  }
  return table.Text();
}

std::string Verdict(const FitReport& report) {
  const std::string where =
      fmt::format("{} with {} tokens{}", report.memory_label,
                  FormatCount(report.use.context),
                  report.use.batch == 1
                      ? std::string()
                      : fmt::format(" for each of {} texts", report.use.batch));
  if (!report.best) {
    return fmt::format("Does not fit into {}: nothing here is small enough.",
                       where);
  }
  const FitRow& best = report.rows[*report.best];
  std::string text = fmt::format(
      "Best in {}: {}, {:.3f} bits per weight, {} of {}.", where, RowName(best),
      best.bits_per_weight, FormatByteSize(best.total_bytes),
      FormatByteSize(report.memory_bytes));
  if (best.divergence && *best.predicted_loss > 0) {
    text += fmt::format(
        "\nKL divergence from the original, in nats per token: {:.2g} ({:.2g} "
        "to {:.2g}), by {} plans\nmeasured on two small models; this model was "
        "not measured.",
        best.divergence->kl, best.divergence->low, best.divergence->high,
        best.divergence->samples);
  }
  if (best.policy == "optimal") {
    text += fmt::format(
        "\nWrite it: ram compress MODEL -o OUT --target {} "
        "--size {}B",
        report.target, report.room_bytes);
  }
  return text;
}

void Print(const FitReport& report) {
  std::string memory =
      fmt::format("{} ({} bytes)", FormatByteSize(report.memory_bytes),
                  FormatCount(report.memory_bytes));
  if (!report.memory_why.empty()) {
    memory = fmt::format("{}: {}; {}", report.memory_label, memory,
                         report.memory_why);
  }
  fmt::print("{}\n", Verdict(report));
  fmt::print(
      "\n{}\n",
      FactLines({{"model", fmt::format("{}, {} weights", report.model,
                                       FormatCount(report.weights))},
                 {"memory", memory},
                 {"runtime", fmt::format("{}, {} tokens, batch {}",
                                         FitRuntimeName(report.use.runtime),
                                         FormatCount(report.use.context),
                                         report.use.batch)},
                 {"left for weights", FormatByteSize(report.room_bytes)}}));
  using enum Table::Align;
  Table items({"beside the weights", "bytes", "size", "figure", "from"},
              {kLeft, kRight, kRight, kLeft, kLeft});
  for (const MemoryItem& item : report.items) {
    items.Add({item.name, FormatCount(item.bytes), FormatByteSize(item.bytes),
               item.exact ? "exact" : "estimate", item.source});
  }
  fmt::print("{}\n{}", items.Text(), RowTable(report));
  if (!report.measured && !report.target.empty()) {
    fmt::print(
        "note: no predicted loss: run `ram analyze MODEL -o DIR` (--schemes "
        "for targets but mlx) and give DIR/manifest.json, which also shows "
        "mixed precisions\n");
  }
  for (const std::string& note : report.notes) fmt::print("note: {}\n", note);
}

void PrintMachines(bool json) {
  using enum Table::Align;
  OrderedJson list = OrderedJson::array();
  Table table({"name", "usable", "because", "source"},
              {kLeft, kRight, kLeft, kLeft});
  for (const Machine& machine : AllMachines()) {
    table.Add({std::string(machine.name), FormatByteSize(machine.usable_bytes),
               std::string(machine.why), std::string(machine.source)});
    list.push_back({{"name", machine.name},
                    {"usable_bytes", machine.usable_bytes},
                    {"why", machine.why},
                    {"source", machine.source}});
  }
  fmt::print("{}", json ? list.dump(2) + "\n" : table.Text());
}

}  // namespace

void AddFitCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "fit", "Does it fit? The best of a model that a memory can hold");
  command->footer(
      "Example: ram fit models/wiki-dense --memory 8MiB --context 512\n"
      "         ram fit out/analysis/manifest.json --memory macbook-16gb "
      "--context 32768\n"
      "         ram fit model.gguf --memory rtx-4090 --kv q8_0\n"
      "         ram fit model --target vllm --memory l40s --batch 16\n"
      "         ram fit --machines\n"
      "docs/fit.md says where every number comes from.");
  struct Arguments {
    std::string model;
    bool machines = false;
    FitJobOptions options;
  };
  auto arguments = std::make_shared<Arguments>();
  FitJobOptions& options = arguments->options;
  auto* model = command->add_option(
      "MODEL", arguments->model,
      "A model (headers are read), manifest.json of `ram analyze`, or a "
      "directory with config.json alone");
  auto* memory = command->add_option(
      "--memory", options.memory,
      "What there is: a size (32GiB) or a machine (--machines lists them)");
  command
      ->add_option("--context", options.context,
                   "Tokens of each text, prompt and answer together")
      ->capture_default_str();
  command->add_option("--batch", options.batch, "Texts at once")
      ->capture_default_str();
  command->add_option("--kv", options.cache,
                      "Numbers of the cache: f16, q8_0, fp8 of vllm (default: "
                      "f16; f32 for native, which has no other)");
  command->add_option("--target", options.target,
                      "Who runs it: mlx (mlx-lm), gguf (llama.cpp), vllm or "
                      "native (ram generate); default: gguf for GGUF files, "
                      "else mlx");
  auto* machines = command->add_flag("--machines", arguments->machines,
                                     "List the machines that have a name");
  command->callback([arguments, model, memory, machines, &global] {
    if (machines->count() > 0) return PrintMachines(global.json);
    if (model->count() == 0) throw CLI::RequiredError("MODEL");
    if (memory->count() == 0) throw CLI::RequiredError("--memory");
    const FitReport report = RunFit(arguments->model, arguments->options);
    if (global.json) {
      fmt::print("{}\n", FitToJson(report).dump(2));
    } else if (!global.quiet) {
      Print(report);
    }
  });
}

}  // namespace ram
