// Checkpoint -> a directory with manifest.json and profile.safetensors.
#pragma once

#include <cstdint>
#include <filesystem>

#include "ram/analysis/analyze.h"
#include "ram/base/progress.h"

namespace ram {

struct AnalyzeJobResult {
  Manifest manifest;
  uint64_t source_bytes = 0;
  double seconds = 0;       // of the analysis
  double sync_seconds = 0;  // until the output was durable
};

// `out` appears whole or not at all. Errors as Analyze and OutputDirectory.
AnalyzeJobResult RunAnalyze(const std::filesystem::path& model,
                            const std::filesystem::path& out,
                            const AnalyzeOptions& options, Progress& progress);

// Bytes of all weight files.
uint64_t WeightFileBytes(const Checkpoint& checkpoint);

}  // namespace ram
