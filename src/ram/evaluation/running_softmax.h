// The softmax of numbers that come in slices.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>

#include "ram/evaluation/row_kernels.h"

namespace ram {

struct RunningSoftmax {
  float max = -std::numeric_limits<float>::infinity();
  double sum = 0;    // of exp(logit - max)
  uint32_t top = 0;  // the first index that has the maximum
  float target = 0;  // the logit of the token that came
  double cross = 0;  // of a baseline p: exp(p - max of p) * (p - q)

  double LogSum() const { return max + std::log(sum); }

  // logits [n] of indices first, first + 1... Returns the factor that sums
  // relative to the former maximum shrink by.
  double Add(const float* logits, uint64_t n, uint64_t first) {
    const double shrink = Raise(logits, n, first);
    sum += SumExp(logits, n, max);
    return shrink;
  }

  // Raises the maximum alone.
  double Raise(const float* logits, uint64_t n, uint64_t first) {
    const float highest = MaxOf(logits, n);
    if (!(highest > max)) return 1;
    uint64_t at = 0;
    while (at + 1 < n && logits[at] != highest) ++at;
    const double shrink = std::exp(static_cast<double>(max) - highest);
    top = static_cast<uint32_t>(first + at);
    max = highest;
    sum *= shrink;
    return shrink;
  }
};

}  // namespace ram
