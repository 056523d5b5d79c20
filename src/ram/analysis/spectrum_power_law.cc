#include "ram/analysis/spectrum_power_law.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ram {

double PowerLaw::standard_error() const {
  return (alpha - 1) / std::sqrt(static_cast<double>(tail));
}

std::optional<PowerLaw> FitPowerLaw(std::span<const double> values) {
  std::vector<double> logs;  // ascending
  for (const double value : values) {
    if (value > 0) logs.push_back(std::log(value));
  }
  std::sort(logs.begin(), logs.end());
  const size_t n = logs.size();
  std::vector<double> sums(n + 1, 0.0);  // of logs[i...]
  for (size_t i = n; i-- > 0;) sums[i] = sums[i + 1] + logs[i];

  std::optional<PowerLaw> best;
  for (size_t begin = 0; begin < n; ++begin) {
    if (begin > 0 && logs[begin] == logs[begin - 1]) continue;
    const size_t tail = n - begin;
    const double count = static_cast<double>(tail);
    const double excess = sums[begin] - count * logs[begin];
    if (logs.back() == logs[begin] || !(excess > 0)) break;
    const double slope = count / excess;  // alpha - 1
    double distance = 0;
    for (size_t i = 0; i < tail; ++i) {
      const double model =
          -std::expm1(-slope * (logs[begin + i] - logs[begin]));
      // Beside the share of values below, as WeightWatcher and the powerlaw
      // package take it; where the tail begins depends on it.
      const double index = static_cast<double>(i);
      distance = std::max(distance, std::abs(model - index / count));
      if (best && distance >= best->distance) break;
    }
    if (best && distance >= best->distance) continue;
    best = PowerLaw{.alpha = 1 + slope,
                    .minimum = std::exp(logs[begin]),
                    .tail = tail,
                    .distance = distance};
  }
  return best;
}

}  // namespace ram
