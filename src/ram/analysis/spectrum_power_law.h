// The heavy-tail exponent of an eigenvalue spectrum, as WeightWatcher reports
// it (Martin and Mahoney 2018).
#pragma once

#include <cstddef>
#include <optional>
#include <span>

namespace ram {

// density(x) ~ x^-alpha for x >= minimum.
struct PowerLaw {
  double alpha = 0;
  double minimum = 0;
  size_t tail = 0;                // values at or above the minimum
  double distance = 0;            // Kolmogorov-Smirnov
  double standard_error() const;  // of alpha
};

// Maximum likelihood for the exponent, and of all values as minimum the one
// with the smallest Kolmogorov-Smirnov distance (Clauset, Shalizi, Newman
// 2009, continuous case). Values that are not positive are left out; nullopt
// with fewer than two different ones. Quadratic in values.size().
std::optional<PowerLaw> FitPowerLaw(std::span<const double> values);

}  // namespace ram
