// The rank of a change: leading singular values and the first direction of
// tuned - base, by a block Krylov method on products with the change, which is
// never formed (Musco and Musco 2015).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "ram/analysis/spectrum.h"

namespace ram {

struct LeadingValues {
  // Squared singular values, descending: never above the true ones, exact where
  // the rank is smaller than their number.
  std::vector<double> squares;
  // Unit vector of the largest on the smaller side: of the columns when cols <=
  // rows, else of the rows.
  std::vector<float> direction;
};

// At least min(48 x blocks, rows, cols) values. `largest` is the largest
// magnitude. Reads the matrix `blocks` times (twice that where cols > rows).
// Random numbers depend on (seed, name); the result does not depend on threads.
LeadingValues MeasureLeading(const RowReader& read, uint64_t rows,
                             uint64_t cols, float largest, int blocks,
                             uint64_t seed, std::string_view name, int threads);

// How many of the values stand above what rounding alone would make of a
// matrix with this noise (the sum of its squares): the edge of Marchenko and
// Pastur (1967), with a quarter on top.
size_t ValuesAboveNoise(const std::vector<double>& squares, uint64_t rows,
                        uint64_t cols, double noise_squares);

}  // namespace ram
