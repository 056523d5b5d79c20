// Whether weights lie on few levels, as those that were quantised and decoded
// again do.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

namespace ram {

struct Grid {
  int bits = 0;             // enough for the levels of every group
  uint64_t group_size = 0;  // 0: whole rows
  bool even = false;        // the levels of a group are evenly spaced
};
// "4-bit grid in groups of 64", "8-bit grid per row", "4-bit grid (levels not
// even) ...".
std::string GridLabel(const Grid& grid);

// The grid of fewest bits, with the largest groups of whole rows, 128, 64 and
// 32, that all of `rows` lie on: at most a quarter as many levels as a group
// has weights, half of which are not zero. nullopt where there is none.
std::optional<Grid> FindGrid(std::span<const float> rows, uint64_t cols);

}  // namespace ram
