// Whether the matrices of a model changed along one direction of the residual
// stream, as a steering edit or the removal of a behaviour does.
#pragma once

#include <optional>
#include <vector>

#include "ram/xray/compare.h"
#include "ram/xray/compare_alignment.h"

namespace ram {

// The first direction of the change on the side of the residual stream: the
// rows of what writes to it (o_proj, down_proj), else the columns. Empty for
// experts, vocabulary tables and what is not known.
std::vector<float> ResidualDirection(const MatrixChange& change,
                                     LeadingVectors leading);

struct CommonDirection {
  std::optional<double> share;  // unset for fewer than two
  double chance = 0;            // of as many random directions, about
};
// The share of the unit vectors' squares that the best single direction holds:
// 1 when all are parallel. Only vectors as long as the most frequent length
// count.
CommonDirection FindCommonDirection(
    std::vector<std::vector<float>>& directions);

}  // namespace ram
