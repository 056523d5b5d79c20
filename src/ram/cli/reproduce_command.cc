#include <fmt/format.h>

#include <cstdio>
#include <memory>
#include <string>

#include "ram/base/byte_size.h"
#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/cli/commands.h"
#include "ram/cli/terminal.h"
#include "ram/export/reproduce.h"

namespace ram {
namespace {

struct ReproduceArguments {
  std::string out;
  std::string source;
};

void Run(const ReproduceArguments& arguments, const GlobalOptions& global) {
  const auto progress = MakeProgress(global);
  const ReproduceResult result =
      Reproduce(arguments.out, arguments.source, global.threads, *progress);
  if (global.json) {
    fmt::print("{}\n", OrderedJson({{"same", result.same()},
                                    {"files", result.files_compared},
                                    {"bytes", result.bytes_compared},
                                    {"differs", result.different}})
                           .dump(2));
  } else if (!global.quiet && result.same()) {
    fmt::print("{} files, {}: rebuilt from the source, the same bytes\n",
               result.files_compared, FormatByteSize(result.bytes_compared));
  }
  if (!result.same()) {
    Fail(ErrorKind::kGate,
         "{}: {}: found other bytes when rebuilt, expected the same",
         arguments.out, fmt::join(result.different, ", "));
  }
}

}  // namespace

void AddReproduceCommand(CLI::App& app, const GlobalOptions& global) {
  CLI::App* command = app.add_subcommand(
      "reproduce", "Rebuild an output from its record; compare the bytes");
  command->footer(
      "Example: ram reproduce out/wiki-4bit --source models/wiki-dense");
  auto arguments = std::make_shared<ReproduceArguments>();
  command->add_option("OUT", arguments->out, "What `ram compress` wrote")
      ->required();
  command->add_option("--source", arguments->source, "The original model")
      ->required();
  command->callback([arguments, &global] { Run(*arguments, global); });
}

}  // namespace ram
