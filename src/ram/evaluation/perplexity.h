// Perplexity of one or more models on the same windows, and how far each is
// from the first, the baseline. Protocol and formulas: docs/evaluation.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ram/evaluation/score.h"
#include "ram/evaluation/statistics.h"

namespace ram {

// A model's next-token distributions against the baseline's, on every target.
struct DistributionDistance {
  // D(baseline || model), nats.
  double kl_mean = 0;
  double kl_standard_error = 0;  // clustered by window
  double kl_median = 0;
  double kl_p99 = 0;
  double kl_p999 = 0;
  std::vector<double> window_kl;  // mean of each window
  double top1_agreement = 0;      // share of targets with the same top token
  // Flips: shares of targets that only one of the two has at the top.
  double flips_lost = 0;              // the baseline alone
  double flips_gained = 0;            // the model alone
  double rms_probability_change = 0;  // of the target's probability
  Interval perplexity_ratio;          // paired bootstrap
};

struct PerplexityResult {
  std::vector<WindowTotal> windows;
  Estimate pooled;
  // Of the perplexities of the windows.
  double mean = 0;
  double median = 0;
  double trimmed = 0;  // without 5 % at each end
  double p95 = 0;
  double p99 = 0;
  std::vector<size_t> outliers;  // indices into windows; the worst first
  uint64_t tokens = 0;           // targets
  double seconds = 0;
  std::optional<DistributionDistance> distance;  // empty for the baseline
};

// `segments` are windows without parents, scored as `scores` says; `baseline`
// is null for the baseline itself.
PerplexityResult SummarizePerplexity(std::span<const Segment> segments,
                                     const ModelScores& scores,
                                     const ModelScores* baseline,
                                     uint64_t seed);

// What a reader must know before trusting the numbers, in plain words, with
// the windows that are to blame: two models in one order by pooled perplexity
// and in the other by median, when one of the differences is beyond its paired
// bootstrap interval; a model that seems better than the baseline; outliers
// that move the pooled perplexity. `window_numbers` are the windows'
// numbers in the text; names and results are parallel, the baseline first.
std::vector<std::string> PerplexityWarnings(
    std::span<const std::string> names,
    std::span<const PerplexityResult> results,
    std::span<const uint64_t> window_numbers, uint64_t seed);

}  // namespace ram
