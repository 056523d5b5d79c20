// The commands of `ram`, one file each: adds its arguments and help to the
// application, and runs its job when it was chosen.
#pragma once

#include <CLI/CLI.hpp>

#include "ram/cli/options.h"

namespace ram {

void AddInspectCommand(CLI::App& app, const GlobalOptions& global);
void AddAnalyzeCommand(CLI::App& app, const GlobalOptions& global);
void AddAllocateCommand(CLI::App& app, const GlobalOptions& global);
void AddCompressCommand(CLI::App& app, const GlobalOptions& global);
void AddAuditCommand(CLI::App& app, const GlobalOptions& global);
void AddExplainCommand(CLI::App& app, const GlobalOptions& global);
void AddReproduceCommand(CLI::App& app, const GlobalOptions& global);
void AddEvaluateCommand(CLI::App& app, const GlobalOptions& global);
void AddGenerateCommand(CLI::App& app, const GlobalOptions& global);
void AddFitCommand(CLI::App& app, const GlobalOptions& global);
void AddCompareCommand(CLI::App& app, const GlobalOptions& global);
void AddXrayCommand(CLI::App& app, const GlobalOptions& global);

}  // namespace ram
