// Plan -> the files of one target, inside an OutputDirectory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ram/allocation/plan.h"
#include "ram/base/output.h"
#include "ram/base/progress.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/target/target.h"

namespace ram {

struct ExportOptions {
  int threads = 0;
  bool input_digests = true;  // SHA-256 of the source files while reading
};

// The measured error of a unit: what was stored against the source.
struct StoredUnit {
  double squared_error = 0;
  double squared_norm = 0;
};

struct ExportedFile {
  std::string name;
  uint64_t bytes = 0;
  std::string sha256;
};

struct ExportResult {
  std::vector<StoredUnit> units;           // parallel to the layout's units
  std::vector<ExportedFile> output_files;  // all files but ram.json
  std::vector<ExportedFile> input_files;   // weight files and config.json
};

// Writes weight files, index, config, plan.json and companions to `out`, in
// bounded memory, in the order of the input. Same bytes for any thread count.
// The caller adds ram.json and commits. Throws kIo, kCorrupt (non-finite
// weights, input that changed), kInterrupted.
ExportResult ExportModel(const Checkpoint& checkpoint, const Target& target,
                         const TargetLayout& layout, const Plan& plan,
                         const ExportOptions& options, OutputDirectory& out,
                         Progress& progress);

}  // namespace ram
