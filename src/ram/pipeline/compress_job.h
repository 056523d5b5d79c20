// Checkpoint -> compressed model, audited, in one step.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ram/allocation/allocate.h"
#include "ram/allocation/plan.h"
#include "ram/base/progress.h"
#include "ram/export/audit.h"
#include "ram/export/export_model.h"

namespace ram {

struct CompressOptions {
  std::string target = "mlx";
  AllocateOptions allocate;
  std::optional<std::filesystem::path> plan;  // instead of allocating
  uint64_t seed = 42;
  int threads = 0;
  bool allow_nonfinite = false;
  bool dry_run = false;
};

struct PlannedFile {
  std::string name;
  uint64_t bytes = 0;
};

struct CompressResult {
  Plan plan;
  std::vector<PlannedFile> files;  // every weight file, exact
  uint64_t source_bytes = 0;
  DType source_dtype = DType::kBF16;
  // Measured while writing, over the units stored with fewer than 16 bits:
  // squared error over squared norm.
  double nmse = 0;
  AuditResult audit;
  double analyze_seconds = 0;
  double allocate_seconds = 0;
  double write_seconds = 0;
  double audit_seconds = 0;  // reads the output back
  double sync_seconds = 0;
};

// With dry_run nothing is written. Throws kGate when the audit of what was
// written does not hold (and leaves no output); otherwise as its parts.
CompressResult RunCompress(const std::filesystem::path& model,
                           const std::filesystem::path& out,
                           const CompressOptions& options, Progress& progress);

// A manifest with shapes only: enough for `uniform`.
Manifest ManifestOfShapes(const Checkpoint& checkpoint);

}  // namespace ram
