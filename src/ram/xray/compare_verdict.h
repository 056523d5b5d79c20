// From what was measured of a change to what was done.
#pragma once

#include <cstdint>
#include <optional>

#include "ram/xray/compare.h"
#include "ram/xray/compare_rank.h"

namespace ram {

// What the sums alone tell; nullopt where only the rank of the change can.
// Writes `kind` and `detail`. `grid`: of rows of the tuned matrix that the base
// does not lie on.
bool JudgeBySums(const std::optional<Grid>& grid, bool stored_as_codes,
                 MatrixChange& change);

// How many blocks of singular values to measure next, given those of `blocks`
// (0: none yet); 0 when they are enough.
int BlocksToMeasure(const MatrixChange& change, const LeadingValues& leading,
                    int blocks);
// Low rank or not.
void JudgeByRank(const LeadingValues& leading, MatrixChange& change);

}  // namespace ram
