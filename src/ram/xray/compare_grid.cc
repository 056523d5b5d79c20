#include "ram/xray/compare_grid.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <vector>

namespace ram {
namespace {

// Sorted, each once.
std::vector<float> LevelsOf(std::span<const float> group) {
  std::vector<float> levels(group.begin(), group.end());
  std::sort(levels.begin(), levels.end());
  levels.erase(std::unique(levels.begin(), levels.end()), levels.end());
  return levels;
}

// Whether the levels are some of at most `most` that one step separates. They
// were rounded to 16 bits, so a fifth of a step is allowed.
bool EvenlySpaced(const std::vector<float>& levels, size_t most) {
  if (levels.size() < 3) return true;
  const double low = static_cast<double>(levels.front());
  const double range = static_cast<double>(levels.back()) - low;
  for (size_t steps = levels.size() - 1; steps < most; ++steps) {
    const double step = range / static_cast<double>(steps);
    const bool fit =
        std::all_of(levels.begin(), levels.end(), [&](float level) {
          const double at = (static_cast<double>(level) - low) / step;
          return std::fabs(at - std::round(at)) <= 0.2;
        });
    if (fit) return true;
  }
  return false;
}

std::optional<Grid> GridOfGroups(std::span<const float> rows, uint64_t cols,
                                 uint64_t size) {
  size_t most = 0;
  std::vector<std::vector<float>> all;
  for (size_t row = 0; row < rows.size(); row += cols) {
    for (uint64_t col = 0; col < cols; col += size) {
      const auto group =
          rows.subspan(row + col, std::min<uint64_t>(size, cols - col));
      const auto zeros = std::count(group.begin(), group.end(), 0.0f);
      if (static_cast<size_t>(zeros) * 2 > group.size()) return std::nullopt;
      all.push_back(LevelsOf(group));
      most = std::max(most, all.back().size());
      if (most * 4 > size) return std::nullopt;
    }
  }
  if (most < 2) return std::nullopt;
  // A group need not use every level that the width gives it.
  const bool even =
      std::all_of(all.begin(), all.end(), [&](const auto& levels) {
        return EvenlySpaced(levels, std::bit_ceil(most));
      });
  return Grid{static_cast<int>(std::bit_width(most - 1)),
              size == cols ? 0 : size, even};
}

}  // namespace

std::string GridLabel(const Grid& grid) {
  return fmt::format(
      "{}-bit grid{} {}", grid.bits, grid.even ? "" : " (levels not even)",
      grid.group_size == 0 ? std::string("per row")
                           : fmt::format("in groups of {}", grid.group_size));
}

std::optional<Grid> FindGrid(std::span<const float> rows, uint64_t cols) {
  constexpr std::array<uint64_t, 3> kGroups = {128, 64, 32};
  std::optional<Grid> best = GridOfGroups(rows, cols, cols);
  for (const uint64_t size : kGroups) {
    if (size >= cols || cols % size != 0) continue;
    const auto grid = GridOfGroups(rows, cols, size);
    if (grid && (!best || grid->bits < best->bits)) best = grid;
  }
  return best;
}

}  // namespace ram
