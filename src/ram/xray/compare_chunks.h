// One reading of a matrix in chunks of rows that fit a core's cache, for sums
// that do not depend on threads.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstdint>

#include "ram/analysis/spectrum.h"
#include "ram/base/checked.h"
#include "ram/base/parallel.h"

namespace ram {

using RowMajorChunk =
    Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

inline constexpr uint64_t kChunkParts = 16;

// Calls use(part, row, chunk) for the chunks of each of up to kChunkParts runs
// of rows: in order within a part, parts on any thread. `use` may change the
// chunk.
template <typename Use>
void ForChunks(const RowReader& read, uint64_t rows, uint64_t cols, int threads,
               const Use& use) {
  constexpr uint64_t kChunkWeights = uint64_t{1} << 18;
  const uint64_t part_rows = CeilDiv(rows, kChunkParts);
  const uint64_t step = std::max<uint64_t>(1, kChunkWeights / cols);
  ParallelFor(CeilDiv(rows, part_rows), threads, [&](uint64_t part, int) {
    const uint64_t end = std::min(rows, (part + 1) * part_rows);
    RowMajorChunk chunk;
    for (uint64_t row = part * part_rows; row < end; row += step) {
      chunk.resize(static_cast<Eigen::Index>(std::min(step, end - row)),
                   static_cast<Eigen::Index>(cols));
      read(row, {chunk.data(), static_cast<size_t>(chunk.size())});
      use(static_cast<Eigen::Index>(part), static_cast<Eigen::Index>(row),
          chunk);
    }
  });
}

}  // namespace ram
