// Two checkpoints -> what became of the first.
#pragma once

#include <filesystem>

#include "ram/base/progress.h"
#include "ram/xray/compare.h"

namespace ram {

// Compare, and what lies beside the weights: tokenizers (where both models have
// one that can be read) and config.json. Throws as Checkpoint::Open and
// Compare.
Comparison RunCompare(const std::filesystem::path& base,
                      const std::filesystem::path& tuned,
                      const CompareOptions& options, Progress& progress);

}  // namespace ram
