#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/cli/commands.h"
#include "ram/cli/terminal.h"
#include "ram/pipeline/generate_job.h"

namespace ram {
namespace {

struct GenerateArguments {
  std::string model;
  std::string prompt;
  std::string out;
  std::string system;
  uint64_t corpus = 0;
  uint64_t max_tokens = 256;
  SamplingOptions sampling;
  bool temperature_given = false;
  bool chat = false;
  bool raw = false;
};

double Rate(uint64_t count, double seconds) {
  return seconds > 0 ? static_cast<double>(count) / seconds : 0;
}

OrderedJson ToJson(const GenerateJobResult& result) {
  const GeneratedText& text = result.generated;
  return {{"prompt", result.prompt},
          {"text", result.text},
          {"tokens", text.tokens},
          {"ended", text.ended},
          {"prompt_tokens", text.prompt_tokens},
          {"prompt_tokens_per_second",
           Rate(text.prompt_tokens, text.prompt_seconds)},
          {"tokens_per_second", Rate(text.steps, text.decode_seconds)},
          {"weight_bytes", result.weight_bytes},
          {"load_seconds", result.load_seconds},
          {"peak_memory_bytes", PeakMemoryBytes()}};
}

void RunPrompt(const GenerateArguments& arguments,
               const GlobalOptions& global) {
  GenerateJobOptions options;
  options.sampling = arguments.sampling;
  options.seed = global.seed;
  options.max_tokens = arguments.max_tokens;
  options.threads = global.threads;
  options.system = arguments.system;
  if (arguments.chat) options.chat = true;
  if (arguments.raw) options.chat = false;
  const GenerateJobResult result = RunGenerate(
      arguments.model, arguments.prompt, options, [&](std::string_view text) {
        if (global.json) return;
        fmt::print("{}", text);
        std::fflush(stdout);
      });
  if (global.json) {
    fmt::print("{}\n",
               ToJson(result).dump(2, ' ', false,
                                   OrderedJson::error_handler_t::replace));
    return;
  }
  fmt::print("\n");
  if (global.quiet) return;
  const GeneratedText& text = result.generated;
  fmt::print(stderr,
             "prompt {} tokens, {:.1f} a second; {} new ones, {:.1f} a "
             "second{}\n",
             text.prompt_tokens, Rate(text.prompt_tokens, text.prompt_seconds),
             text.tokens.size(), Rate(text.steps, text.decode_seconds),
             text.ended ? "" : " (cut off by --max-tokens)");
}

void RunCorpusCommand(const GenerateArguments& arguments,
                      const GlobalOptions& global) {
  if (arguments.out.empty()) {
    Fail(ErrorKind::kUsage, "--corpus: found no -o, expected a file to write");
  }
  CorpusJobOptions options;
  options.sampling = arguments.sampling;
  // The most likely texts are all the same.
  if (!arguments.temperature_given) options.sampling.temperature = 1;
  options.seed = global.seed;
  options.tokens = arguments.corpus;
  options.text_tokens = arguments.max_tokens;
  options.threads = global.threads;
  const auto progress = MakeProgress(global);
  const CorpusJobResult result =
      RunCorpus(arguments.model, arguments.out, options, *progress);
  if (global.json) {
    const OrderedJson json = {
        {"output", arguments.out},
        {"texts", result.texts},
        {"tokens", result.tokens},
        {"tokens_per_second", Rate(result.tokens, result.seconds)},
        {"peak_memory_bytes", PeakMemoryBytes()}};
    fmt::print("{}\n", json.dump(2));
  } else if (!global.quiet) {
    fmt::print("{}: {} tokens in {} texts, {:.1f} tokens a second\n",
               arguments.out, result.tokens, result.texts,
               Rate(result.tokens, result.seconds));
  }
}

void AddSampling(CLI::App& command, GenerateArguments& arguments) {
  command.add_option("--temperature", arguments.sampling.temperature,
                     "Divides the logits; 0: always the most likely token "
                     "(default: 0, with --corpus 1)");
  command.add_option("--top-k", arguments.sampling.top_k,
                     "Draw from the k most likely tokens");
  command.add_option("--top-p", arguments.sampling.top_p,
                     "Draw from the most likely tokens whose probabilities "
                     "add up to p");
  command.add_option("--min-p", arguments.sampling.min_p,
                     "Draw from tokens with p times the probability of the "
                     "most likely");
}

}  // namespace

void AddGenerateCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "generate", "Let a model write, from its weights as they are stored");
  command->footer(
      "Without --temperature the most likely token is taken each time.\n"
      "Examples: ram generate models/wiki-dense \"The town lies\" "
      "--max-tokens 40\n"
      "          ram generate out/wiki-4bit \"The town lies\" "
      "--temperature 0.8 --top-p 0.95 --seed 7\n"
      "          ram generate models/wiki-dense --corpus 20000 -o corpus.txt");
  auto arguments = std::make_shared<GenerateArguments>();
  command
      ->add_option("MODEL", arguments->model,
                   "A model directory or GGUF file, compressed or not")
      ->required();
  auto* prompt =
      command->add_option("PROMPT", arguments->prompt, "What to go on with");
  command
      ->add_option("--max-tokens", arguments->max_tokens,
                   "New tokens at most; with --corpus: of each text")
      ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 20))
      ->capture_default_str();
  AddSampling(*command, *arguments);
  auto* chat = command->add_flag(
      "--chat", arguments->chat,
      "Put the prompt into the model's chat template (default: if it has one)");
  command
      ->add_flag("--raw", arguments->raw, "Go on with the prompt as it stands")
      ->excludes(chat);
  command->add_option("--system", arguments->system, "What a chat begins with");
  auto* corpus =
      command
          ->add_option("--corpus", arguments->corpus,
                       "Write so many tokens of texts of the model's own")
          ->check(CLI::Range(uint64_t{1}, uint64_t{1} << 40));
  command->add_option("-o,--output", arguments->out,
                      "File for the corpus; .json: with its options");
  command->callback([command, prompt, corpus, arguments, &global] {
    arguments->temperature_given = command->count("--temperature") > 0;
    if (corpus->count() > 0) return RunCorpusCommand(*arguments, global);
    if (prompt->count() == 0) {
      Fail(ErrorKind::kUsage,
           "generate: found no prompt, expected one (or --corpus)");
    }
    RunPrompt(*arguments, global);
  });
}

}  // namespace ram
