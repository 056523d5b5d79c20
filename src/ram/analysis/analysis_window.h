// The order of work: the matrices in file order, in windows that the page cache
// holds, so that a second look at a matrix does not read the disk again.
#pragma once

#include <cstdint>
#include <vector>

#include "ram/checkpoint/model.h"

namespace ram {

// Matrices [begin, end) of the model.
struct AnalysisWindow {
  uint32_t begin = 0;
  uint32_t end = 0;
};

inline constexpr uint64_t kWindowBytes = uint64_t{256} << 20;

// Which matrices are judged together when schemes to search are chosen, as a
// runtime stores them alike: the experts of a layer's projection, otherwise
// each matrix (or several of the same role, layer and shape). Parallel to
// Model::matrices; numbered from 0 in order of first appearance.
std::vector<uint32_t> SearchGroups(const Model& model);

// Windows of at least window_bytes (but the last). With `groups` not empty none
// of them divides a group.
std::vector<AnalysisWindow> AnalysisWindows(const Model& model,
                                            const std::vector<uint32_t>& groups,
                                            uint64_t window_bytes);

}  // namespace ram
