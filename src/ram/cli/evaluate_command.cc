#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ram/base/byte_size.h"
#include "ram/base/error.h"
#include "ram/base/output.h"
#include "ram/cli/commands.h"
#include "ram/cli/evaluate_tables.h"
#include "ram/cli/terminal.h"
#include "ram/pipeline/evaluate_job.h"

namespace ram {
namespace {

// What all three tasks understand.
struct CommonArguments {
  std::vector<std::string> models;
  std::string baseline;
  std::string data;
  std::string dtype = "bf16";
  std::string memory = "512MiB";
  std::string work;
  std::string json;
  double keep_every = 60;
  bool resume = false;

  void AddTo(CLI::App& command);
  std::vector<std::string> Models() const;
  EvaluateOptions Options(const GlobalOptions& global) const;
};

void CommonArguments::AddTo(CLI::App& command) {
  command
      .add_option("MODEL", models,
                  "Model directories or GGUF files; the first is the baseline")
      ->required();
  command.add_option("--data", data, "The data to evaluate on")->required();
  command.add_option("--baseline", baseline,
                     "Compare with this model instead of the first");
  command
      .add_option("--dtype", dtype, "Numbers of products; sums are always f32")
      ->check(CLI::IsMember({"bf16", "f32"}))
      ->capture_default_str();
  command
      .add_option("--memory", memory,
                  "What activations may take; the rest lies on disk, in "
                  "TMPDIR")
      ->capture_default_str();
  command.add_option("--json", json, "Also write the report to this new file");
  command.add_option("--work", work,
                     "Keep finished work here until all is done (default: "
                     "FILE.scores of --json)");
  command
      .add_option("--keep-every", keep_every,
                  "Seconds of work after which the layers of the model at work "
                  "are kept")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  command.add_flag("--resume", resume,
                   "Go on from what an earlier run kept, and keep the scores");
}

std::vector<std::string> CommonArguments::Models() const {
  std::vector<std::string> all = models;
  if (!baseline.empty()) {
    all.erase(std::remove(all.begin(), all.end(), baseline), all.end());
    all.insert(all.begin(), baseline);
  }
  std::vector<std::string> sorted = all;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice != sorted.end()) {
    Fail(ErrorKind::kUsage, "MODEL: found {} twice, expected every model once",
         *twice);
  }
  return all;
}

EvaluateOptions CommonArguments::Options(const GlobalOptions& global) const {
  EvaluateOptions options;
  options.threads = global.threads;
  options.seed = global.seed;
  options.compute = dtype == "f32" ? ComputeType::kF32 : ComputeType::kBF16;
  options.memory_bytes = ParseByteSize(memory);
  options.resume = resume;
  options.keep_seconds = keep_every;
  if (!work.empty()) {
    options.work = work;
  } else if (!json.empty()) {
    options.work = json + ".scores";
  }
  if (resume && options.work.empty()) {
    Fail(ErrorKind::kUsage,
         "--resume: found neither --json nor --work, expected one of them: the "
         "scores lie there");
  }
  if (!json.empty() && std::filesystem::exists(json)) {
    Fail(ErrorKind::kIo,
         "{}: found an existing file, expected none (choose another --json)",
         json);
  }
  return options;
}

template <typename Report>
void Finish(const Report& report, const CommonArguments& arguments,
            const GlobalOptions& global) {
  if (!arguments.json.empty()) {
    WriteNewFile(arguments.json, ReportText(ReportToJson(report)));
  }
  if (global.quiet) return;
  fmt::print("{}", ReportForPeople(report));
  fmt::print("peak memory {}\n", FormatByteSize(PeakMemoryBytes()));
}

struct PerplexityArguments {
  CommonArguments common;
  WindowOptions windows;
  std::string prefix = "all";
};

void Run(PerplexityArguments& arguments, const GlobalOptions& global) {
  arguments.windows.seed = global.seed;
  arguments.windows.prefix = arguments.prefix == "first"  ? PrefixTokens::kFirst
                             : arguments.prefix == "none" ? PrefixTokens::kNone
                                                          : PrefixTokens::kAll;
  const std::vector<std::string> models = arguments.common.Models();
  const EvaluateOptions options = arguments.common.Options(global);
  const auto progress = MakeProgress(global);
  Finish(RunPerplexity(models, arguments.common.data, arguments.windows,
                       options, *progress),
         arguments.common, global);
}

void AddPerplexity(CLI::App& evaluate, const GlobalOptions& global) {
  CLI::App* command = evaluate.add_subcommand(
      "perplexity", "Perplexity and KL divergence on windows of a text");
  command->footer(
      "Windows do not overlap; each has its tokens less one as targets. Start\n"
      "tokens (BOS) are added before a window and take none of its places.\n"
      "Examples:\n"
      "  ram evaluate perplexity models/wiki-dense out/wiki-4bit \\\n"
      "    --data wiki.test.raw --window 512 --json report.json\n"
      "  ram evaluate perplexity MODEL --data wiki.test.raw "
      "--prefix-tokens none");
  auto arguments = std::make_shared<PerplexityArguments>();
  arguments->common.AddTo(*command);
  command
      ->add_option("--window", arguments->windows.window,
                   "Tokens of text in a window")
      ->capture_default_str();
  command
      ->add_option("--windows", arguments->windows.windows,
                   "Windows to draw; all when the text has fewer")
      ->capture_default_str();
  command
      ->add_option("--prefix-tokens", arguments->prefix,
                   "Which windows get the model's start tokens")
      ->check(CLI::IsMember({"all", "first", "none"}))
      ->capture_default_str();
  command->callback([arguments, &global] { Run(*arguments, global); });
}

struct ChoiceArguments {
  ChoiceTask task = ChoiceTask::kArc;
  CommonArguments common;
  std::string shots_from;
  std::string shots = "same";
  uint64_t shot_count = 0;
  uint32_t shots_seed = 1234;
  std::string prefix = "all";
  uint64_t limit = 0;
  std::string perplexity;
};

void Run(const ChoiceArguments& arguments, const GlobalOptions& global) {
  ChoiceOptions choices;
  choices.data = arguments.common.data;
  choices.shots_data = arguments.shots_from;
  choices.shots = {arguments.shot_count, arguments.shots == "per-item",
                   arguments.shots_seed};
  choices.start_tokens = arguments.prefix == "all";
  if (arguments.limit > 0) choices.limit = arguments.limit;
  if (!arguments.perplexity.empty()) choices.perplexity = arguments.perplexity;
  if (arguments.shot_count > 0 && arguments.shots_from.empty()) {
    Fail(ErrorKind::kUsage,
         "--shots-from: found none, expected the file that the {} examples "
         "come from (or --shot-count 0)",
         arguments.shot_count);
  }
  const std::vector<std::string> models = arguments.common.Models();
  const EvaluateOptions options = arguments.common.Options(global);
  const auto progress = MakeProgress(global);
  Finish(RunChoices(arguments.task, models, choices, options, *progress),
         arguments.common, global);
}

void AddChoices(CLI::App& evaluate, const GlobalOptions& global,
                ChoiceTask task, const char* name, const char* description,
                uint64_t shot_count, const char* footer) {
  CLI::App* command = evaluate.add_subcommand(name, description);
  command->footer(footer);
  auto arguments = std::make_shared<ChoiceArguments>();
  arguments->task = task;
  arguments->shot_count = shot_count;
  arguments->common.AddTo(*command);
  command->add_option("--shots-from", arguments->shots_from,
                      "Where the examples before each question come from");
  command
      ->add_option("--shot-count", arguments->shot_count,
                   "Examples before each question")
      ->capture_default_str();
  command
      ->add_option("--shots", arguments->shots,
                   "The same for every question (the first of the file, "
                   "computed once), or drawn for each")
      ->check(CLI::IsMember({"same", "per-item"}))
      ->capture_default_str();
  command
      ->add_option("--shots-seed", arguments->shots_seed,
                   "Seed of --shots per-item, as in lm-evaluation-harness")
      ->capture_default_str();
  command
      ->add_option("--prefix-tokens", arguments->prefix,
                   "Start tokens as the tokenizer adds them, or none")
      ->check(CLI::IsMember({"all", "none"}))
      ->capture_default_str();
  command
      ->add_option("--limit", arguments->limit, "Only the first so many items")
      ->check(CLI::PositiveNumber);
  command->add_option("--perplexity", arguments->perplexity,
                      "A report of the same models' perplexity: do both "
                      "measures order them alike?");
  command->callback([arguments, &global] { Run(*arguments, global); });
}

}  // namespace

void AddEvaluateCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* evaluate = app.add_subcommand(
      "evaluate", "Measure what models make of text and questions");
  evaluate->require_subcommand(1);
  evaluate->footer(
      "Models run matrix by matrix over all windows at once: none has to fit "
      "into memory,\nand all are compared in one run on the same tokens.");
  AddPerplexity(*evaluate, global);
  AddChoices(*evaluate, global, ChoiceTask::kArc, "arc",
             "ARC, 25 shots, as lm-evaluation-harness asks it", 25,
             "Data: one JSON object a line, {id, question, choices, "
             "answer_index}.\n"
             "Example:\n"
             "  ram evaluate arc MODEL out/MODEL-4bit \\\n"
             "    --data ARC-Challenge-test.jsonl "
             "--shots-from ARC-Challenge-train.jsonl");
  AddChoices(*evaluate, global, ChoiceTask::kHellaSwag, "hellaswag",
             "HellaSwag, 10 shots, as lm-evaluation-harness asks it", 10,
             "Data: the data set's JSON lines, cleaned ones {query, choices, "
             "gold}, requests of\nlm-evaluation-harness, or text of six lines "
             "an item.\n"
             "Example:\n"
             "  ram evaluate hellaswag MODEL --data validation.jsonl \\\n"
             "    --shots-from train.jsonl --limit 1000");
}

}  // namespace ram
