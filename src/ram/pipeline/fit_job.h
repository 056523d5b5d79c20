// A manifest, a model's headers or its config.json alone -> does it fit?
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>

#include "ram/xray/fit.h"

namespace ram {

struct FitJobOptions {
  std::string memory;       // a size or a machine's name
  uint64_t context = 8192;  // tokens of each text
  uint64_t batch = 1;       // texts at once
  std::string cache;        // f32, f16, q8_0, fp8; empty: the runtime's usual
  std::string target;       // empty: gguf for a GGUF file, else mlx
};

// `path` is manifest.json (or the directory it lies in), a checkpoint (only
// headers are read) or a directory with config.json alone, whose weights are
// then those the architecture expects. Throws kUsage for options without
// sense, kUnsupported for a model that is not a language model, and as
// ReadManifest, Checkpoint::Open and Fit.
FitReport RunFit(const std::filesystem::path& path,
                 const FitJobOptions& options);

}  // namespace ram
