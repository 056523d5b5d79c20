// Numbers that summarise many windows, tokens or items. Formulas and sources
// are in docs/evaluation.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ram {

// All of these need at least one value.
double Mean(std::span<const double> values);
double Median(std::span<const double> values);
// Linear between the two nearest ranks, as numpy.quantile does. share in
// [0, 1].
double Quantile(std::span<const double> values, double share);
// Several quantiles of one sample; sorts `values`.
std::vector<double> QuantilesInPlace(std::vector<float>& values,
                                     std::span<const double> shares);
// The mean without floor(share * n) values at each end (scipy.stats.trim_mean).
double TrimmedMean(std::span<const double> values, double share);
// The median of |x - median|, not scaled.
double MedianAbsoluteDeviation(std::span<const double> values);
// Sample standard deviation / sqrt(n); 0 for one value.
double StandardError(std::span<const double> values);

// The negative log-likelihood of one window.
struct WindowTotal {
  double nll = 0;  // summed over its targets, nats
  uint64_t tokens = 0;

  double mean_nll() const { return nll / static_cast<double>(tokens); }
};

struct Estimate {
  double value = 0;
  double standard_error = 0;
};

// exp(total NLL / tokens). Its standard error clusters by window, as tokens of
// one window are not independent: the ratio estimator's, times the perplexity
// (delta method).
Estimate PooledPerplexity(std::span<const WindowTotal> windows);

// A value with its 95 % interval.
struct Interval {
  double value = 0;
  double low = 0;
  double high = 0;

  bool Contains(double x) const { return low <= x && x <= high; }
};

// Perplexity of `model` over that of `baseline`: windows are drawn with
// replacement, the same for both (paired percentile bootstrap, Efron 1979).
// Both have the same windows.
Interval BootstrapPerplexityRatio(std::span<const WindowTotal> baseline,
                                  std::span<const WindowTotal> model,
                                  uint64_t seed, int resamples = 10000);

// The same of the median of the windows' perplexities.
Interval BootstrapMedianRatio(std::span<const WindowTotal> baseline,
                              std::span<const WindowTotal> model, uint64_t seed,
                              int resamples = 10000);

// mean(b - a) of paired values, +- 1.96 standard errors.
Interval PairedDifference(std::span<const double> a, std::span<const double> b);

// Windows whose perplexity is over 100 and whose mean NLL is over the median
// by more than six median absolute deviations; the worst first.
std::vector<size_t> HighOutliers(std::span<const WindowTotal> windows);

// Two models on the same items (McNemar 1947).
struct PairedChoices {
  uint64_t only_first = 0;   // right by the first alone
  uint64_t only_second = 0;  // right by the second alone
  double p_value = 1;        // two-sided
};
// right[i] != 0: item i was answered rightly. Exact (binomial) up to a thousand
// items that differ, else chi-squared with continuity correction.
PairedChoices McNemar(std::span<const uint8_t> first,
                      std::span<const uint8_t> second);

// What a measure says of two models.
enum class Order : int8_t { kFirstBetter = -1, kSame = 0, kSecondBetter = 1 };

// Two measures over the same pairs of models.
struct OrderAgreement {
  uint64_t alike = 0;      // both see the same difference, or both none
  uint64_t opposite = 0;   // they contradict each other
  uint64_t undecided = 0;  // one sees a difference, the other none
};
OrderAgreement CompareOrders(std::span<const Order> first,
                             std::span<const Order> second);

}  // namespace ram
