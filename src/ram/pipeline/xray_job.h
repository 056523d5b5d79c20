// Models or manifests, with what else is known about them -> an X-ray.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ram/base/progress.h"
#include "ram/xray/report.h"

namespace ram {

struct XrayOptions {
  std::optional<std::filesystem::path> plan;  // plan.json, or an output of ram
  std::vector<std::filesystem::path> evaluations;
  std::string target = "mlx";  // of the curve, where there is no plan
  int threads = 0;
  uint64_t seed = 42;
  bool allow_nonfinite = false;
};

// Each of `models` is a manifest.json (the profile.safetensors beside it is
// taken, too), a directory with both, or a model, which is analysed first.
// Throws kUsage for a plan with several models, kCorrupt for files that do not
// fit together, and as Analyze and the readers do.
XrayReport RunXray(const std::vector<std::string>& models,
                   const XrayOptions& options, Progress& progress);

}  // namespace ram
