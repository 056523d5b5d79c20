// Choosing one point for each of many curves under one budget: the lower
// convex hulls give the best trade at every price (Lagrange multiplier), and
// what then is left over is filled greedily.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ram/allocation/plan.h"

namespace ram {

// The candidates on the lower convex hull of (bytes, loss): bytes ascend,
// losses fall, and each step saves less per byte than the one before.
std::vector<Candidate> LowerHull(std::vector<Candidate> candidates);

// Every step of every hull, the one that saves most loss per byte first.
// Equal steps follow the order of the curves.
struct HullStep {
  uint32_t curve = 0;
  uint32_t to = 0;  // index on the hull after the step
  uint64_t bytes = 0;
  double loss = 0;  // saved
};
std::vector<HullStep> StepsByPrice(
    std::span<const std::vector<Candidate>> hulls);

// Takes the steps in order as long as all together stay within `bytes`; a
// curve whose step does not fit stays where it is, later curves may still
// move. Returns the index on each hull. The hulls' first points must fit.
std::vector<uint32_t> SpendBytes(std::span<const std::vector<Candidate>> hulls,
                                 std::span<const HullStep> steps,
                                 uint64_t bytes);

}  // namespace ram
