#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <exception>
#include <new>

#include "ram/base/error.h"
#include "ram/base/interrupt.h"
#include "ram/base/version.h"
#include "ram/cli/commands.h"

namespace {

constexpr char kDescription[] =
    "ram fits large language models to machines: it studies the weights alone, "
    "gives every tensor the bits it needs under an exact budget, and writes a "
    "model that runtimes load.";

constexpr char kFooter[] =
    "Examples:\n"
    "  ram inspect models/wiki-dense\n"
    "  ram compress models/wiki-dense -o out/wiki-4bit\n"
    "  ram compress models/wiki-dense -o out/wiki-small --size 4.5MB\n"
    "  ram audit out/wiki-4bit --source models/wiki-dense\n"
    "Every command explains itself: ram COMMAND --help\n"
    "Exit codes: 0 done, 2 usage, 3 corrupt input, 4 unsupported, 5 input or\n"
    "output, 6 refused by a check, 130 interrupted";

void AddGlobalOptions(CLI::App& app, ram::GlobalOptions& global) {
  app.add_flag("--json", global.json, "Print the result as JSON");
  app.add_flag("-q,--quiet", global.quiet, "No progress, no table");
  app.add_option("--threads", global.threads,
                 "Threads to use (default: one per processor)")
      ->check(CLI::Range(1, 1024));
  app.add_option("--seed", global.seed, "Seed of everything random")
      ->capture_default_str();
  app.add_flag("--allow-nonfinite", global.allow_nonfinite,
               "Keep tensors with NaN or Inf at 16 bits instead of refusing");
}

int Run(int argc, char** argv) {
  CLI::App app{kDescription, "ram"};
  app.footer(kFooter);
  app.set_version_flag("--version", ram::kToolVersion);
  app.require_subcommand(1);
  app.fallthrough();  // the options above work after the command, too
  ram::GlobalOptions global;
  AddGlobalOptions(app, global);
  ram::AddInspectCommand(app, global);
  ram::AddAnalyzeCommand(app, global);
  ram::AddAllocateCommand(app, global);
  ram::AddCompressCommand(app, global);
  ram::AddAuditCommand(app, global);
  ram::AddExplainCommand(app, global);
  ram::AddReproduceCommand(app, global);
  ram::AddEvaluateCommand(app, global);
  ram::AddGenerateCommand(app, global);
  ram::AddFitCommand(app, global);
  ram::AddCompareCommand(app, global);
  ram::AddXrayCommand(app, global);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    const int code = app.exit(error);
    return code == 0 ? 0 : static_cast<int>(ram::ErrorKind::kUsage);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  ram::InstallInterruptHandler();
  try {
    return Run(argc, argv);
  } catch (const ram::Error& error) {
    fmt::print(stderr, "ram: {}\n", error.what());
    return error.exit_code();
  } catch (const std::bad_alloc&) {
    fmt::print(stderr, "ram: out of memory\n");
    return static_cast<int>(ram::ErrorKind::kIo);
  } catch (const std::exception& error) {
    fmt::print(stderr, "ram: {}\n", error.what());
    return static_cast<int>(ram::ErrorKind::kIo);
  }
}
