// The decision for every unit, as plan.json holds it (docs/plan.schema.json).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/quantization/scheme.h"
#include "ram/target/target.h"

namespace ram {

inline constexpr int kPlanVersion = 1;

// What a unit could have been.
struct Candidate {
  Scheme scheme;
  uint64_t bytes = 0;
  double nmse = 0;  // of the codec that would be written
  double loss = 0;  // predicted, in the units of docs/metrics.md
};

struct PlannedUnit {
  std::string unit;
  std::vector<std::string> tensors;  // canonical names of the members
  Scheme scheme;
  Encoder encoder = Encoder::kMinMax;
  uint64_t weights = 0;
  uint64_t bytes = 0;
  std::optional<double> nmse;  // predicted; unset when not measured (16 bits: 0
                               // if the source is already that type)
  std::optional<double> score;        // S of ram-v1..v3, loss of optimal
  std::string reason;                 // in words
  std::vector<Candidate> candidates;  // optimal only: the convex hull
};

struct PlanTotals {
  uint64_t bytes = 0;       // of all tensors, plain ones included
  uint64_t file_bytes = 0;  // of all weight files, headers included
  uint64_t weights = 0;
  double nominal_bits = 0;     // sum(bits x weights) / weights
  double bits_per_weight = 0;  // 8 x bytes / weights
  std::map<int, uint64_t> weights_per_bits;
};

struct Plan {
  std::string tool;
  std::string target;
  std::string policy;
  OrderedJson options;  // as given, defaults filled in
  std::vector<PlannedUnit> units;
  std::vector<DroppedTensor> dropped;
  PlanTotals totals;
  std::vector<std::string> notes;  // what a reader should know, in words
};

std::string PlanToJson(const Plan& plan);
// Throws kCorrupt naming `source` and the field.
Plan PlanFromJson(std::string_view text, std::string_view source);
Plan ReadPlan(const std::filesystem::path& path);

// Checks that `plan` fits: every unit of the layout has exactly one entry,
// every entry names a unit, members, legal scheme and bytes agree. Throws
// kCorrupt naming the first that does not. Returns the schemes in unit order.
std::vector<Scheme> MatchPlan(const Plan& plan, const Model& model,
                              const TargetLayout& layout,
                              std::string_view source);

}  // namespace ram
