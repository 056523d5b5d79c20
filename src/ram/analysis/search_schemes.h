// Which schemes the searching encoder is worth measuring at: those that an
// allocator could choose, judged by their min-max errors.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "ram/quantization/scheme.h"

namespace ram {

// A scheme whose error is less than this share under what a mix of its
// neighbours on the hull gives for the same bytes is not worth its measurement.
inline constexpr double kLeastGain = 0.10;

// The lower convex hull of (bytes, error) of the affine schemes that fit rows
// of `cols`, thinned by kLeastGain, and in any case 4 bits g64 and the best of
// 8 bits.
// squared_errors is by index of AffineSchemeAt; the result ascends.
std::vector<Scheme> SchemesToSearch(
    const std::array<double, kAffineSchemeCount>& squared_errors, uint64_t rows,
    uint64_t cols);

}  // namespace ram
