// Proof that an output holds what its plan says.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ram/base/json.h"
#include "ram/base/progress.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/export/record.h"

namespace ram {

struct AuditFinding {
  std::string file;   // relative to the output
  std::string thing;  // tensor, unit or field; may be empty
  std::string found;
  std::string expected;
};

struct AuditResult {
  bool holds() const { return findings.empty(); }
  uint64_t tensors_checked = 0;
  uint64_t tensors_total = 0;
  uint64_t bytes_checked = 0;
  bool source_checked = false;
  uint64_t units_decoded = 0;
  double largest_error_deviation = 0;  // |decoded nmse / recorded nmse - 1|
  double seconds = 0;
  std::vector<AuditFinding> findings;
};

struct AuditOptions {
  int threads = 0;
  // The original: every unit is decoded and compared with it as well.
  std::optional<std::filesystem::path> source;
};

// Looks at everything in `directory` (ram.json must be there, kCorrupt
// otherwise): plan against headers, config.json's bits, sizes, digests of every
// file, stray files, finite scales. Finds as much as it can rather than
// stopping at the first difference.
AuditResult Audit(const std::filesystem::path& directory,
                  const AuditOptions& options, Progress& progress);

// The same before ram.json exists, on a directory just written.
AuditResult AuditRecord(const std::filesystem::path& directory,
                        const Record& record, const AuditOptions& options,
                        Progress& progress);

OrderedJson AuditToJson(const AuditResult& result);

}  // namespace ram
