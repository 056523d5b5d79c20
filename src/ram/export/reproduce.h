// Proof that an output follows from its source and its record.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ram/base/progress.h"

namespace ram {

struct ReproduceResult {
  bool same() const { return different.empty(); }
  uint64_t files_compared = 0;
  uint64_t bytes_compared = 0;
  // Files of the output whose bytes are not those that were rebuilt.
  std::vector<std::string> different;
};

// Writes the plan of `directory` again from `source`, beside `directory` and
// removed afterwards, and compares every file. Throws kCorrupt when ram.json
// is missing or `source` is not what ram.json names (size or digest), and as
// ExportModel does.
ReproduceResult Reproduce(const std::filesystem::path& directory,
                          const std::filesystem::path& source, int threads,
                          Progress& progress);

}  // namespace ram
