#include "ram/evaluation/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <numeric>

#include "ram/base/random.h"

namespace ram {
namespace {

constexpr double kNormal95 = 1.959963984540054;
constexpr double kOutlierPerplexity = 100;
constexpr double kOutlierDeviations = 6;
constexpr uint64_t kExactDiscordant = 1000;

std::vector<double> Sorted(std::span<const double> values) {
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return sorted;
}

template <typename T>
double SortedQuantile(const std::vector<T>& sorted, double share) {
  const double rank = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(rank);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  const double part = rank - static_cast<double>(below);
  const double low = sorted[below];
  return low + part * (static_cast<double>(sorted[above]) - low);
}

// Changes the order of the values.
double MedianInPlace(std::vector<double>& values) {
  const auto half =
      values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), half, values.end());
  if (values.size() % 2 != 0) return *half;
  return (*std::max_element(values.begin(), half) + *half) / 2;
}

// P(X <= k) for X ~ Binomial(n, 1/2).
double BinomialHalfCdf(uint64_t k, uint64_t n) {
  const auto size = static_cast<double>(n);
  double sum = 0;
  for (uint64_t i = 0; i <= k; ++i) {
    const auto at = static_cast<double>(i);
    sum += std::exp(std::lgamma(size + 1) - std::lgamma(at + 1) -
                    std::lgamma(size - at + 1) - size * std::log(2.0));
  }
  return sum;
}

double McNemarPValue(uint64_t a, uint64_t b) {
  const uint64_t n = a + b;
  if (n == 0) return 1;
  if (n <= kExactDiscordant) {
    return std::min(1.0, 2 * BinomialHalfCdf(std::min(a, b), n));
  }
  const double difference =
      std::abs(static_cast<double>(a) - static_cast<double>(b)) - 1;
  const double chi_squared = difference * difference / static_cast<double>(n);
  return std::erfc(std::sqrt(chi_squared / 2));
}

}  // namespace

double Mean(std::span<const double> values) {
  return std::accumulate(values.begin(), values.end(), 0.0) /
         static_cast<double>(values.size());
}

double Median(std::span<const double> values) { return Quantile(values, 0.5); }

double Quantile(std::span<const double> values, double share) {
  return SortedQuantile(Sorted(values), share);
}

std::vector<double> QuantilesInPlace(std::vector<float>& values,
                                     std::span<const double> shares) {
  std::sort(values.begin(), values.end());
  std::vector<double> quantiles;
  for (const double share : shares) {
    quantiles.push_back(SortedQuantile(values, share));
  }
  return quantiles;
}

double TrimmedMean(std::span<const double> values, double share) {
  const std::vector<double> sorted = Sorted(values);
  const auto cut =
      static_cast<size_t>(share * static_cast<double>(sorted.size()));
  return Mean(std::span(sorted).subspan(cut, sorted.size() - 2 * cut));
}

double MedianAbsoluteDeviation(std::span<const double> values) {
  const double median = Median(values);
  std::vector<double> distances;
  for (const double value : values) {
    distances.push_back(std::abs(value - median));
  }
  return Median(distances);
}

double StandardError(std::span<const double> values) {
  if (values.size() < 2) return 0;
  const double mean = Mean(values);
  double squares = 0;
  for (const double value : values) {
    squares += (value - mean) * (value - mean);
  }
  const auto n = static_cast<double>(values.size());
  return std::sqrt(squares / (n - 1) / n);
}

Estimate PooledPerplexity(std::span<const WindowTotal> windows) {
  double nll = 0, tokens = 0;
  for (const WindowTotal& window : windows) {
    nll += window.nll;
    tokens += static_cast<double>(window.tokens);
  }
  const double mean = nll / tokens;
  double squares = 0;
  for (const WindowTotal& window : windows) {
    const double residual =
        window.nll - mean * static_cast<double>(window.tokens);
    squares += residual * residual;
  }
  const auto n = static_cast<double>(windows.size());
  const double variance = n > 1 ? n / (n - 1) * squares / (tokens * tokens) : 0;
  return {std::exp(mean), std::exp(mean) * std::sqrt(variance)};
}

Interval BootstrapPerplexityRatio(std::span<const WindowTotal> baseline,
                                  std::span<const WindowTotal> model,
                                  uint64_t seed, int resamples) {
  const size_t n = baseline.size();
  // A draw changes every sum in the same way; keep only the differences.
  std::vector<double> difference(n), tokens(n);
  double all_nll = 0, all_tokens = 0;
  for (size_t i = 0; i < n; ++i) {
    difference[i] = model[i].nll - baseline[i].nll;
    tokens[i] = static_cast<double>(baseline[i].tokens);
    all_nll += difference[i];
    all_tokens += tokens[i];
  }
  const CounterRandom random(seed, "bootstrap of the perplexity ratio");
  std::vector<double> ratios(static_cast<size_t>(resamples));
  uint64_t index = 0;
  for (double& ratio : ratios) {
    double nll = 0, count = 0;
    for (size_t i = 0; i < n; ++i) {
      const auto at =
          static_cast<size_t>(random.Uniform(index++) * static_cast<double>(n));
      nll += difference[at];
      count += tokens[at];
    }
    ratio = std::exp(nll / count);
  }
  std::sort(ratios.begin(), ratios.end());
  return {std::exp(all_nll / all_tokens), SortedQuantile(ratios, 0.025),
          SortedQuantile(ratios, 0.975)};
}

Interval BootstrapMedianRatio(std::span<const WindowTotal> baseline,
                              std::span<const WindowTotal> model, uint64_t seed,
                              int resamples) {
  const size_t n = baseline.size();
  // The median of perplexities is taken after the exponential, as of an even
  // number of windows it is a mean of two.
  std::vector<double> base, own;
  for (size_t i = 0; i < n; ++i) {
    base.push_back(std::exp(baseline[i].mean_nll()));
    own.push_back(std::exp(model[i].mean_nll()));
  }
  const CounterRandom random(seed, "bootstrap of the median ratio");
  std::vector<double> ratios(static_cast<size_t>(resamples));
  std::vector<double> drawn_base(n), drawn_own(n);
  uint64_t index = 0;
  for (double& ratio : ratios) {
    for (size_t i = 0; i < n; ++i) {
      const auto at =
          static_cast<size_t>(random.Uniform(index++) * static_cast<double>(n));
      drawn_base[i] = base[at];
      drawn_own[i] = own[at];
    }
    ratio = MedianInPlace(drawn_own) / MedianInPlace(drawn_base);
  }
  std::sort(ratios.begin(), ratios.end());
  return {Median(own) / Median(base), SortedQuantile(ratios, 0.025),
          SortedQuantile(ratios, 0.975)};
}

Interval PairedDifference(std::span<const double> a,
                          std::span<const double> b) {
  std::vector<double> difference;
  for (size_t i = 0; i < a.size(); ++i) difference.push_back(b[i] - a[i]);
  const double mean = Mean(difference);
  const double reach = kNormal95 * StandardError(difference);
  return {mean, mean - reach, mean + reach};
}

std::vector<size_t> HighOutliers(std::span<const WindowTotal> windows) {
  std::vector<double> means;
  for (const WindowTotal& window : windows) {
    means.push_back(window.mean_nll());
  }
  const double limit = std::max(
      std::log(kOutlierPerplexity),
      Median(means) + kOutlierDeviations * MedianAbsoluteDeviation(means));
  std::vector<size_t> outliers;
  for (size_t i = 0; i < means.size(); ++i) {
    if (means[i] > limit) outliers.push_back(i);
  }
  std::sort(outliers.begin(), outliers.end(), [&](size_t a, size_t b) {
    return means[a] != means[b] ? means[a] > means[b] : a < b;
  });
  return outliers;
}

PairedChoices McNemar(std::span<const uint8_t> first,
                      std::span<const uint8_t> second) {
  PairedChoices result;
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i] != 0 && second[i] == 0) ++result.only_first;
    if (first[i] == 0 && second[i] != 0) ++result.only_second;
  }
  result.p_value = McNemarPValue(result.only_first, result.only_second);
  return result;
}

OrderAgreement CompareOrders(std::span<const Order> first,
                             std::span<const Order> second) {
  OrderAgreement agreement;
  for (size_t i = 0; i < first.size(); ++i) {
    if (first[i] == second[i]) {
      ++agreement.alike;
    } else if (first[i] == Order::kSame || second[i] == Order::kSame) {
      ++agreement.undecided;
    } else {
      ++agreement.opposite;
    }
  }
  return agreement;
}

}  // namespace ram
