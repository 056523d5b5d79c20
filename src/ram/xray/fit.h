// Does a model fit into a memory, at which precision, and how long may its
// context be? Weights to the byte of each plan, the cache and what else the
// runtime needs (fit_memory.h), and what the plan is predicted to lose.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ram/analysis/manifest.h"
#include "ram/base/json.h"
#include "ram/target/target.h"
#include "ram/xray/fit_loss.h"
#include "ram/xray/fit_memory.h"

namespace ram {

// A model as it could be stored.
struct FitRow {
  std::string policy;  // "optimal", "uniform", "as stored"
  std::string scheme;  // "4-bit g64"; empty where units differ
  double bits_per_weight = 0;
  uint64_t weight_bytes = 0;  // of all weight files
  uint64_t total_bytes = 0;   // with everything the runtime needs
  bool fits = false;
  // Tokens of each text that fit, at most FitShape::longest_context; 0: none.
  uint64_t longest_context = 0;
  std::optional<double> predicted_loss;
  std::optional<double> weakest_snr_db;
  std::optional<ExpectedDivergence> divergence;
};

struct FitReport {
  std::string model;
  std::string target;
  FitUse use;
  uint64_t memory_bytes = 0;
  std::string memory_label;
  std::string memory_why;  // of a machine; else empty
  uint64_t weights = 0;
  FitShape shape;
  std::vector<MemoryItem> items;  // all but the weights
  uint64_t room_bytes = 0;        // what is left for weights; 0: nothing
  bool measured = false;          // rows carry predicted losses
  std::vector<FitRow> rows;       // by size, the largest first
  std::optional<size_t> best;     // the row with least loss that fits
  std::vector<std::string> notes;
};

// The model's files as they are, where there are any.
struct StoredSize {
  uint64_t bytes = 0;
  uint64_t weights = 0;
};

struct FitInput {
  std::string model;  // how messages call it
  const Manifest& manifest;
  // Null where no target writes this model: only the stored size is shown.
  const Target* target = nullptr;
  std::optional<StoredSize> stored;
  FitUse use;
  uint64_t memory_bytes = 0;
};

// The rows: what is stored; uniform at 8, 6, 5, 4, 3 and 2 bits; where the
// manifest holds errors of what the target stores, ram-v1 to v3 (with their
// metrics), the smallest safe plan, and the optimal one of the size that is
// left. Throws as RuntimeMemory, ReadFitShape and Target::Describe.
FitReport Fit(const FitInput& input);

OrderedJson FitToJson(const FitReport& report);

}  // namespace ram
