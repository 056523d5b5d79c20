// Plan -> the files of one target, inside an OutputDirectory.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ram/allocation/plan.h"
#include "ram/base/output.h"
#include "ram/base/progress.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/export/record.h"
#include "ram/target/target.h"

namespace ram {

struct ExportOptions {
  int threads = 0;
  bool input_digests = true;  // SHA-256 of the source files while reading
};

// The measured error of a unit: what was stored against the source.
struct StoredUnit {
  double squared_error = 0;
  double squared_norm = 0;  // of the finite weights

  double nmse() const {
    return squared_norm > 0 ? squared_error / squared_norm : 0;
  }
};

struct ExportResult {
  std::vector<StoredUnit> units;  // parallel to the layout's units
  // plan_sha256, inputs, outputs, units and plain; the rest is the caller's.
  Record record;
  std::vector<std::string> notes;  // on what could not be written
};

// Writes weight files, index, config, plan.json and companions to `out`, in
// bounded memory, in the order of the input. Same bytes for any thread count.
// The caller adds ram.json and commits. Throws kIo (input that changed, no
// space left), kCorrupt (a plan that does not fit; NaN or Inf in a unit that
// is not left at 16 bits), kInterrupted.
ExportResult ExportModel(const Checkpoint& checkpoint, const Target& target,
                         const TargetLayout& layout, const Plan& plan,
                         const ExportOptions& options, OutputDirectory& out,
                         Progress& progress);

}  // namespace ram
