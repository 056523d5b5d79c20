// Where the search for the scale of signed codes starts, beside
// compressed-tensors' own.
#pragma once

#include "ram/quantization/affine_search_starts.h"

namespace ram {

// Factors on the smallest scale that cuts off nothing; negative ones on the
// smallest of negative scales, which differs because codes reach further
// below zero. The best is refitted by least squares `refits` times. Chosen
// greedily on Gaussian, heavy-tailed and trained weights in groups of 32 and
// 128.
struct IntSearchPlan {
  int bits;
  int refits;
  float starts[kSearchStarts];
};

inline constexpr IntSearchPlan kIntSearchPlans[] = {
    {2, 2, {-.55f, .6f, -.9f, .85f, .5f}},
    {3, 2, {-.91f, .91f, -.79f, .79f, .99f}},
    {4, 2, {-.98f, .94f, -.9f, .98f, .88f}},
    {5, 1, {-.99f, 1.0f, -.96f, .97f, -1.01f}},
    {6, 1, {1.026f, .99f, -.984f, -1.002f, 1.002f}},
    {8, 1, {-1.012f, -.998f, 1.0f, 1.012f, 1.008f}},
};

inline constexpr const IntSearchPlan& IntSearchPlanFor(int bits) {
  for (const IntSearchPlan& plan : kIntSearchPlans) {
    if (plan.bits == bits) return plan;
  }
  return kIntSearchPlans[0];
}

}  // namespace ram
