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

// How far a unit's recorded error may be from the one its plan predicted,
// relative: the analysis measures min-max with reciprocals instead of
// divisions, which moves single codes by one; the searching encoder is
// measured as it writes.
inline constexpr double kMinMaxPredictionTolerance = 1e-4;
inline constexpr double kSearchPredictionTolerance = 1e-6;
// The same for the error of the decoded weights against the recorded one.
inline constexpr double kDecodedTolerance = 1e-6;
// Differences of nmse below this (100 dB) are rounding noise.
inline constexpr double kNegligibleNmse = 1e-10;

struct AuditFinding {
  std::string file;   // relative to the output
  std::string thing;  // tensor, unit or field; may be empty
  std::string found;
  std::string expected;
};

// "file: thing: found ..., expected ...".
std::string FindingText(const AuditFinding& finding);

struct AuditResult {
  bool holds() const { return findings.empty(); }
  uint64_t tensors_checked = 0;  // stored as decided, byte for byte
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
// file, hashes of every tensor, stray files, finite scales. Finds as much as it
// can rather than stopping at the first difference.
AuditResult Audit(const std::filesystem::path& directory,
                  const AuditOptions& options, Progress& progress);

// The same before ram.json exists, on a directory just written.
AuditResult AuditRecord(const std::filesystem::path& directory,
                        const Record& record, const AuditOptions& options,
                        Progress& progress);

// Everything but the time, which is not the same twice.
OrderedJson AuditToJson(const AuditResult& result);

}  // namespace ram
