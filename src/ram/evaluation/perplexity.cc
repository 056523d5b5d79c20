#include "ram/evaluation/perplexity.h"

#include <cmath>
#include <utility>

namespace ram {
namespace {

constexpr double kTrimmedShare = 0.05;

// Scored tokens of each segment, and where they start.
std::vector<size_t> TargetCounts(std::span<const Segment> segments) {
  std::vector<size_t> counts;
  for (const Segment& segment : segments) {
    counts.push_back(ScoredTokens({&segment, 1}));
  }
  return counts;
}

void CompareTokens(const ModelScores& scores, const ModelScores& baseline,
                   DistributionDistance& distance) {
  double same = 0, lost = 0, gained = 0, squares = 0;
  for (size_t i = 0; i < scores.tokens.size(); ++i) {
    const TokenScore& own = scores.tokens[i];
    const TokenScore& base = baseline.tokens[i];
    same += scores.comparisons[i].same_top ? 1 : 0;
    lost += base.top && !own.top ? 1 : 0;
    gained += own.top && !base.top ? 1 : 0;
    const double change = std::exp(static_cast<double>(own.log_prob)) -
                          std::exp(static_cast<double>(base.log_prob));
    squares += change * change;
  }
  const auto n = static_cast<double>(scores.tokens.size());
  distance.top1_agreement = same / n;
  distance.flips_lost = lost / n;
  distance.flips_gained = gained / n;
  distance.rms_probability_change = std::sqrt(squares / n);
}

void SummarizeDivergence(const std::vector<size_t>& counts,
                         const ModelScores& scores,
                         DistributionDistance& distance) {
  std::vector<float> all;
  double sum = 0;
  size_t at = 0;
  for (const size_t count : counts) {
    double window = 0;
    for (size_t i = 0; i < count; ++i) {
      window += scores.comparisons[at + i].kl;
      all.push_back(scores.comparisons[at + i].kl);
    }
    at += count;
    sum += window;
    distance.window_kl.push_back(window / static_cast<double>(count));
  }
  distance.kl_mean = sum / static_cast<double>(all.size());
  distance.kl_standard_error = StandardError(distance.window_kl);
  const double shares[] = {0.5, 0.99, 0.999};
  const std::vector<double> quantiles = QuantilesInPlace(all, shares);
  distance.kl_median = quantiles[0];
  distance.kl_p99 = quantiles[1];
  distance.kl_p999 = quantiles[2];
}

std::vector<WindowTotal> SumWindows(const std::vector<size_t>& counts,
                                    const ModelScores& scores) {
  std::vector<WindowTotal> windows;
  size_t at = 0;
  for (const size_t count : counts) {
    WindowTotal window{0, count};
    for (size_t i = 0; i < count; ++i) {
      window.nll -= static_cast<double>(scores.tokens[at + i].log_prob);
    }
    at += count;
    windows.push_back(window);
  }
  return windows;
}

}  // namespace

PerplexityResult SummarizePerplexity(std::span<const Segment> segments,
                                     const ModelScores& scores,
                                     const ModelScores* baseline,
                                     uint64_t seed) {
  const std::vector<size_t> counts = TargetCounts(segments);
  PerplexityResult result;
  result.windows = SumWindows(counts, scores);
  result.pooled = PooledPerplexity(result.windows);
  std::vector<double> perplexities;
  for (const WindowTotal& window : result.windows) {
    perplexities.push_back(std::exp(window.mean_nll()));
  }
  result.mean = Mean(perplexities);
  result.median = Median(perplexities);
  result.trimmed = TrimmedMean(perplexities, kTrimmedShare);
  result.p95 = Quantile(perplexities, 0.95);
  result.p99 = Quantile(perplexities, 0.99);
  result.outliers = HighOutliers(result.windows);
  result.tokens = scores.tokens.size();
  result.seconds = scores.seconds;
  if (baseline != nullptr) {
    DistributionDistance distance;
    CompareTokens(scores, *baseline, distance);
    SummarizeDivergence(counts, scores, distance);
    distance.perplexity_ratio = BootstrapPerplexityRatio(
        SumWindows(counts, *baseline), result.windows, seed);
    result.distance = std::move(distance);
  }
  return result;
}

}  // namespace ram
