// Products of tall matrices with the same bits for any thread count and SIMD
// target, and from them the Gram matrix over the smaller side of a weight
// matrix, whose eigenvalues are the squared singular values.
#pragma once

#include <hwy/aligned_allocator.h>

#include <cstddef>
#include <cstdint>

#include "ram/analysis/gram_kernels.h"
#include "ram/analysis/spectrum.h"

namespace ram {

template <typename T>
using AlignedArray = hwy::AlignedFreeUniquePtr<T[]>;

// count zeros, aligned for the kernels.
template <typename T>
AlignedArray<T> ZeroArray(size_t count);

// A [depth, width] matrix in column blocks of kTile: block j is
// [depth, kTile], row-major, and all blocks follow each other. Elements are
// undefined until they are written; whoever writes sets the columns that round
// the width up to whole blocks to zero.
template <typename T>
class ColumnBlocks {
 public:
  ColumnBlocks(size_t max_depth, size_t width);

  size_t depth() const { return depth_; }
  size_t blocks() const { return blocks_; }
  size_t padded_width() const { return blocks_ * kTile; }
  // depth <= max_depth; the elements are then undefined.
  void SetDepth(size_t depth) { depth_ = depth; }
  T* Block(size_t block) { return values_.get() + block * depth_ * kTile; }
  const T* Block(size_t block) const {
    return values_.get() + block * depth_ * kTile;
  }

 private:
  size_t depth_;
  size_t blocks_;
  AlignedArray<T> values_;
};

// c[kTile, kTile] += a' b, for a and b [depth, kTile] and the rows of c
// `stride` apart. Each element adds sums of 256 products, first to last.
template <typename T>
void MultiplyBlock(const T* a, const T* b, size_t depth, T* c, size_t stride);

// A symmetric matrix, [size, size] in an array of [stride, stride]: kTile x
// kTile tiles on and above the diagonal, zeros below them and past `size`.
template <typename T>
struct Gram {
  size_t size = 0;
  size_t stride = 0;  // size rounded up to kTile
  AlignedArray<T> values;

  T* Tile(size_t i, size_t j) {
    return values.get() + i * kTile * stride + j * kTile;
  }
  size_t TileStride() const { return stride; }
};

template <typename T>
Gram<T> ZeroGram(size_t size);

// The same in half the memory: only the tiles (i, j), i <= j, each whole,
// column by column.
struct TiledGram {
  size_t size = 0;
  size_t tiles = 0;  // in a row or column
  AlignedArray<float> values;

  float* Tile(size_t i, size_t j) const {
    return values.get() + (j * (j + 1) / 2 + i) * kTile * kTile;
  }
  size_t TileStride() const { return kTile; }
};

// What one pass over the weights tells.
struct WeightSurvey {
  double max_magnitude = 0;  // infinite or NaN: some weight is not finite
  double energy = 0;         // sum of squares
};

WeightSurvey SurveyWeights(const RowReader& read, uint64_t rows, uint64_t cols,
                           int threads);

// The Gram matrix of scale * W over its smaller side: W'W when cols <= rows,
// else W W'. Reads every row once when the smaller side is the columns or the
// matrix has at most 8 Mi weights, else once per panel of columns. Memory: 8
// Mi elements of T (fewer for fewer weights), and the result.
template <typename T>
Gram<T> GramOfSmallerSide(const RowReader& read, uint64_t rows, uint64_t cols,
                          double scale, int threads);
TiledGram TiledGramOfSmallerSide(const RowReader& read, uint64_t rows,
                                 uint64_t cols, double scale, int threads);

// Copies scale * W[row, row + count) into `blocks` as [count, cols].
template <typename T>
void PackRows(const RowReader& read, uint64_t row, uint64_t count,
              uint64_t cols, T scale, ColumnBlocks<T>& blocks, int threads);

// Copies the transpose of scale * W[row, row + count) x [col, col + depth)
// into `blocks` as [depth, count].
template <typename T>
void PackTransposed(const RowReader& read, uint64_t row, uint64_t count,
                    uint64_t cols, uint64_t col, uint64_t depth, T scale,
                    ColumnBlocks<T>& blocks, int threads);

}  // namespace ram
