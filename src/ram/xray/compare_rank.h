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

// About the largest squared singular value of what rounding to the tuned type
// leaves, each weight by itself: with the variance of its errors summed by row
// and by column, (the root of the largest row + that of the largest column)
// squared (Bandeira and van Handel 2016). Where all have one variance that is
// the edge of Marchenko and Pastur (1967); a column of larger weights raises
// it. `mantissa_bits` as SumPair's. Reads the tuned matrix once.
double RoundingEdge(const RowReader& tuned, uint64_t rows, uint64_t cols,
                    int mantissa_bits, int threads);

// How many of the values stand above the edge, with a quarter on top.
size_t ValuesAboveNoise(const std::vector<double>& squares, double edge);

}  // namespace ram
