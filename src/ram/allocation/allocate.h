// Profiles + target + budget -> plan.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ram/allocation/plan.h"
#include "ram/analysis/manifest.h"
#include "ram/target/target.h"

namespace ram {

enum class Policy : uint8_t {
  kUniform,
  kRamV1,
  kRamV2,
  kRamV3,
  kOptimal,
  kLike,  // one of llama-quantize's mixes, for gguf (llama_mixes.h)
};
std::string_view PolicyName(Policy policy);
// Throws kUsage, listing the names; kLike is none of them.
Policy ParsePolicy(std::string_view name);
// ram-v1..v3 need the spectral metric.
bool PolicyNeedsSpectra(Policy policy);

// --set 'PATTERN=BITS', 'PATTERN=BITS:GROUP' or 'PATTERN=TYPE': units whose
// name matches the glob (* and ?) get this, whatever the policy says. Bits 16
// leaves them.
struct Override {
  std::string pattern;
  int bits = 0;
  std::optional<int> group_size;
  std::optional<GgmlType> type;  // then `bits` is that of its codes

  std::string Text() const;  // as ParseOverride reads it
};
Override ParseOverride(const std::string& text);  // throws kUsage

struct RamRule {  // the published constants of method ram-v1
  double weight_spectral = 0.20, weight_kurtosis = 0.45, weight_output = 0.15,
         weight_rounding = 0.20;
  double above_16 = 0.90, above_8 = 0.65, below_2 = 0.10;
  int group_2 = 32, group_4 = 128, group_8 = 64;
  std::vector<std::string> protected_names;  // lower-case substrings
  RamRule();
};

struct AllocateOptions {
  Policy policy = Policy::kOptimal;
  int bits = 4;                           // uniform
  std::optional<int> group_size;          // uniform; else the target's own
  std::optional<GgmlType> type;           // uniform, instead of both
  std::string like;                       // kLike: "Q4_K_M"
  std::optional<uint64_t> size_bytes;     // bound on totals.file_bytes
  std::optional<double> bits_per_weight;  // bound on totals.bits_per_weight
  bool min_safe = false;
  std::optional<Encoder> encoder;  // default: Target::UniformEncoder, search
  std::vector<Override> overrides;
  RamRule rule;
};

// Throws kUsage for options that contradict each other or an override that
// matches nothing, kGate for a budget that cannot be met (says the smallest
// that can).
Plan Allocate(const Manifest& manifest, const Target& target,
              const AllocateOptions& options);

// The frontier of `optimal`: plans' totals from the smallest to the largest
// sensible size, ascending.
struct CurvePoint {
  PlanTotals totals;
  double predicted_loss = 0;
  double smallest_snr_db = 0;  // of any unit
};
std::vector<CurvePoint> Curve(const Manifest& manifest, const Target& target,
                              const AllocateOptions& options, int points);

}  // namespace ram
