#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <optional>

#include "ram/evaluation/perplexity.h"

namespace ram {
namespace {

constexpr size_t kListedWindows = 10;

std::string ListWindows(std::span<const size_t> windows,
                        std::span<const uint64_t> numbers) {
  std::string text;
  for (size_t i = 0; i < std::min(windows.size(), kListedWindows); ++i) {
    text += fmt::format("{}{}", i == 0 ? "" : ", ", numbers[windows[i]]);
  }
  if (windows.size() > kListedWindows) text += ", ...";
  return fmt::format("{} {}", windows.size() == 1 ? "window" : "windows", text);
}

// The fewest windows without which `winner` no longer has the lower NLL.
std::vector<size_t> DecidingWindows(std::span<const WindowTotal> winner,
                                    std::span<const WindowTotal> loser) {
  std::vector<double> lead(winner.size());
  for (size_t i = 0; i < lead.size(); ++i) {
    lead[i] = loser[i].nll - winner[i].nll;
  }
  std::vector<size_t> order(lead.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return lead[a] > lead[b]; });
  double total = std::accumulate(lead.begin(), lead.end(), 0.0);
  size_t taken = 0;
  while (taken < order.size() && total > 0) total -= lead[order[taken++]];
  order.resize(taken);
  return order;
}

std::string RatioText(const Interval& ratio) {
  return fmt::format("ratio {:.4f}, 95 % interval {:.4f} to {:.4f}{}",
                     ratio.value, ratio.low, ratio.high,
                     ratio.Contains(1) ? ": no difference" : "");
}

// Nothing where both differences are noise; between two compressed models,
// where either is: with many models there would be no end of such pairs.
std::optional<std::string> OrderWarning(
    const std::string& better, const std::string& worse,
    const PerplexityResult& by_mean, const PerplexityResult& by_median,
    bool with_baseline, std::span<const uint64_t> numbers, uint64_t seed) {
  const Interval pooled =
      BootstrapPerplexityRatio(by_median.windows, by_mean.windows, seed);
  const Interval median =
      BootstrapMedianRatio(by_median.windows, by_mean.windows, seed);
  const bool clear_mean = !pooled.Contains(1);
  const bool clear_median = !median.Contains(1);
  if (with_baseline ? !clear_mean && !clear_median
                    : !clear_mean || !clear_median) {
    return std::nullopt;
  }
  const std::vector<size_t> deciding =
      DecidingWindows(by_mean.windows, by_median.windows);
  return fmt::format(
      "mean and median disagree: {} has the lower pooled perplexity ({:.3f} "
      "against {:.3f}; {}), {} the lower median ({:.3f} against {:.3f}; {}). "
      "{} of {} windows decide the mean: without {} it would say what the "
      "median says",
      better, by_mean.pooled.value, by_median.pooled.value, RatioText(pooled),
      worse, by_median.median, by_mean.median, RatioText(median),
      deciding.size(), by_mean.windows.size(), ListWindows(deciding, numbers));
}

std::string BetterThanBaseline(const std::string& name,
                               const std::string& baseline_name,
                               const PerplexityResult& result,
                               const PerplexityResult& baseline,
                               std::span<const uint64_t> numbers,
                               uint64_t seed) {
  const std::vector<size_t> deciding =
      DecidingWindows(result.windows, baseline.windows);
  return fmt::format(
      "{} seems better than the baseline {}: pooled perplexity "
      "{:.3f} against {:.3f} ({}). {} of {} windows cause it: without {} it "
      "would not",
      name, baseline_name, result.pooled.value, baseline.pooled.value,
      RatioText(
          BootstrapPerplexityRatio(baseline.windows, result.windows, seed)),
      deciding.size(), result.windows.size(), ListWindows(deciding, numbers));
}

std::string OutlierWarning(const std::string& name,
                           const PerplexityResult& result,
                           std::span<const uint64_t> numbers) {
  std::vector<WindowTotal> kept;
  for (size_t i = 0; i < result.windows.size(); ++i) {
    if (std::find(result.outliers.begin(), result.outliers.end(), i) ==
        result.outliers.end()) {
      kept.push_back(result.windows[i]);
    }
  }
  return fmt::format(
      "{}: {} of {} windows collapse ({}) and move the pooled perplexity from "
      "{:.3f} to {:.3f}; trust the median, {:.3f}",
      name, result.outliers.size(), result.windows.size(),
      ListWindows(result.outliers, numbers), PooledPerplexity(kept).value,
      result.pooled.value, result.median);
}

}  // namespace

std::vector<std::string> PerplexityWarnings(
    std::span<const std::string> names,
    std::span<const PerplexityResult> results,
    std::span<const uint64_t> window_numbers, uint64_t seed) {
  std::vector<std::string> warnings;
  for (size_t i = 0; i < results.size(); ++i) {
    if (results[i].outliers.empty()) continue;
    warnings.push_back(OutlierWarning(names[i], results[i], window_numbers));
  }
  for (size_t i = 1; i < results.size(); ++i) {
    if (results[i].pooled.value < results[0].pooled.value) {
      warnings.push_back(BetterThanBaseline(names[i], names[0], results[i],
                                            results[0], window_numbers, seed));
    }
  }
  for (size_t i = 0; i < results.size(); ++i) {
    for (size_t j = i + 1; j < results.size(); ++j) {
      const double by_mean = results[i].pooled.value - results[j].pooled.value;
      const double by_median = results[i].median - results[j].median;
      if (by_mean == 0 || by_median == 0) continue;
      if ((by_mean < 0) == (by_median < 0)) continue;
      const size_t low = by_mean < 0 ? i : j;  // by the mean
      const size_t high = by_mean < 0 ? j : i;
      const auto warning =
          OrderWarning(names[low], names[high], results[low], results[high],
                       i == 0, window_numbers, seed);
      if (warning) warnings.push_back(*warning);
    }
  }
  return warnings;
}

}  // namespace ram
