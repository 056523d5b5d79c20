#include "ram/analysis/gram.h"

#include <algorithm>
#include <bit>
#include <cstring>
#include <limits>
#include <new>
#include <vector>

#include "ram/base/checked.h"
#include "ram/base/parallel.h"

namespace ram {
namespace {

// Products per partial sum of a result element. Part of the definition of the
// result, like kTile is not.
constexpr size_t kDepthStep = 256;
constexpr size_t kChunkElements = size_t{8} << 20;
// Rows read at a time, and at most so many elements (or one row).
constexpr size_t kReadRows = 16;
constexpr size_t kReadElements = size_t{1} << 18;

// gram += a' a, on and above the diagonal. A thread takes kColumns columns of
// tiles, whose operands for kPanelDepth rows stay in its second-level cache;
// the other operand comes from further away and is used for all of them.
template <typename T, typename AnyGram>
void AddGram(const ColumnBlocks<T>& a, AnyGram& gram, int threads) {
  constexpr size_t kColumns = 6;
  constexpr size_t kPanelDepth = 2 * kDepthStep;
  const size_t groups = CeilDiv(a.blocks(), kColumns);
  ParallelFor(groups, threads, [&](uint64_t item, int) {
    const size_t begin = (groups - 1 - item) * kColumns;  // the longest first
    const size_t end = std::min(begin + kColumns, a.blocks());
    for (size_t k = 0; k < a.depth(); k += kPanelDepth) {
      const size_t depth = std::min(kPanelDepth, a.depth() - k);
      for (size_t i = 0; i < end; ++i) {
        for (size_t j = std::max(i, begin); j < end; ++j) {
          MultiplyBlock(a.Block(i) + k * kTile, a.Block(j) + k * kTile, depth,
                        gram.Tile(i, j), gram.TileStride());
        }
      }
    }
  });
}

size_t ReadRows(uint64_t cols) {
  return std::clamp<size_t>(kReadElements / std::max<uint64_t>(cols, 1), 1,
                            kReadRows);
}

template <typename T, typename AnyGram>
void AddWeights(const RowReader& read, uint64_t rows, uint64_t cols,
                double scale, AnyGram& gram, int threads) {
  const bool tall = cols <= rows;
  const uint64_t depth = std::max(rows, cols);
  if (gram.size == 0) return;
  // Whole depth steps, so that the sums do not depend on the chunk.
  const uint64_t step = std::min<uint64_t>(
      depth, std::max<uint64_t>(
                 kChunkElements / RoundUp(gram.size, kTile) / kDepthStep, 1) *
                 kDepthStep);
  ColumnBlocks<T> chunk(step, gram.size);
  for (uint64_t k = 0; k < depth; k += step) {
    const uint64_t n = std::min(step, depth - k);
    if (tall) {
      PackRows(read, k, n, cols, static_cast<T>(scale), chunk, threads);
    } else {
      PackTransposed(read, 0, rows, cols, k, n, static_cast<T>(scale), chunk,
                     threads);
    }
    AddGram(chunk, gram, threads);
  }
}

}  // namespace

template <typename T>
AlignedArray<T> ZeroArray(size_t count) {
  AlignedArray<T> array = hwy::AllocateAligned<T>(std::max<size_t>(count, 1));
  if (!array) throw std::bad_alloc();
  std::memset(array.get(), 0, count * sizeof(T));
  return array;
}

template <typename T>
ColumnBlocks<T>::ColumnBlocks(size_t max_depth, size_t width)
    : depth_(max_depth),
      blocks_(CeilDiv(width, kTile)),
      values_(hwy::AllocateAligned<T>(
          std::max<size_t>(max_depth * blocks_ * kTile, 1))) {
  if (!values_) throw std::bad_alloc();
}

// The sums are kept close together meanwhile: the rows of c may lie on as many
// memory pages.
template <typename T>
void MultiplyBlock(const T* a, const T* b, size_t depth, T* c, size_t stride) {
  alignas(64) T sums[kTile * kTile];
  for (size_t i = 0; i < kTile; ++i) {
    std::copy_n(c + i * stride, kTile, sums + i * kTile);
  }
  for (size_t k = 0; k < depth; k += kDepthStep) {
    MultiplyTile(a + k * kTile, b + k * kTile, std::min(kDepthStep, depth - k),
                 sums, kTile);
  }
  for (size_t i = 0; i < kTile; ++i) {
    std::copy_n(sums + i * kTile, kTile, c + i * stride);
  }
}

WeightSurvey SurveyWeights(const RowReader& read, uint64_t rows, uint64_t cols,
                           int threads) {
  if (rows == 0 || cols == 0) return {};
  const size_t step = ReadRows(cols);
  const uint64_t items = CeilDiv(rows, step);
  std::vector<std::vector<float>> buffers(
      static_cast<size_t>(std::max(threads, 1)));
  std::vector<WeightSurvey> parts(items);
  ParallelFor(items, threads, [&](uint64_t item, int worker) {
    std::vector<float>& buffer = buffers[static_cast<size_t>(worker)];
    buffer.resize(step * cols);
    const uint64_t row = item * step;
    const size_t count = std::min<uint64_t>(step, rows - row) * cols;
    read(row, {buffer.data(), count});
    // As integers, magnitudes keep their order and NaN is the largest.
    int32_t largest = 0;
    for (size_t i = 0; i < count; ++i) {
      largest =
          std::max(largest, std::bit_cast<int32_t>(buffer[i]) & 0x7fffffff);
    }
    double sums[kSumLanes] = {};
    size_t i = 0;
    for (; i + kSumLanes <= count; i += kSumLanes) {
      for (size_t j = 0; j < kSumLanes; ++j) {
        const double x = static_cast<double>(buffer[i + j]);
        sums[j] += x * x;
      }
    }
    for (size_t j = 0; i + j < count; ++j) {
      const double x = static_cast<double>(buffer[i + j]);
      sums[j] += x * x;
    }
    WeightSurvey& part = parts[item];
    part.max_magnitude = static_cast<double>(std::bit_cast<float>(largest));
    for (const double sum : sums) part.energy += sum;
  });
  WeightSurvey all;
  for (const WeightSurvey& part : parts) {
    if (!(part.max_magnitude <= all.max_magnitude)) {
      all.max_magnitude = part.max_magnitude;
    }
    all.energy += part.energy;
    if (!(all.max_magnitude <= std::numeric_limits<float>::max())) break;
  }
  return all;
}

template <typename T>
void PackRows(const RowReader& read, uint64_t row, uint64_t count,
              uint64_t cols, T scale, ColumnBlocks<T>& blocks, int threads) {
  blocks.SetDepth(count);
  const size_t step = ReadRows(cols);
  std::vector<std::vector<float>> buffers(
      static_cast<size_t>(std::max(threads, 1)));
  ParallelFor(CeilDiv(count, step), threads, [&](uint64_t item, int worker) {
    std::vector<float>& buffer = buffers[static_cast<size_t>(worker)];
    buffer.resize(step * cols);
    const size_t first = item * step;
    const size_t n = std::min<size_t>(step, count - first);
    read(row + first, {buffer.data(), n * cols});
    for (size_t block = 0; block < blocks.blocks(); ++block) {
      const size_t begin = block * kTile;
      const size_t width = std::min<size_t>(kTile, cols - begin);
      for (size_t r = 0; r < n; ++r) {
        const float* in = buffer.data() + r * cols + begin;
        T* out = blocks.Block(block) + (first + r) * kTile;
        for (size_t c = 0; c < width; ++c) {
          out[c] = scale * static_cast<T>(in[c]);
        }
        std::fill(out + width, out + kTile, T{0});
      }
    }
  });
}

template <typename T>
void PackTransposed(const RowReader& read, uint64_t row, uint64_t count,
                    uint64_t cols, uint64_t col, uint64_t depth, T scale,
                    ColumnBlocks<T>& blocks, int threads) {
  blocks.SetDepth(depth);
  std::vector<std::vector<float>> buffers(
      static_cast<size_t>(std::max(threads, 1)));
  ParallelFor(CeilDiv(count, kTile), threads, [&](uint64_t block, int worker) {
    std::vector<float>& buffer = buffers[static_cast<size_t>(worker)];
    buffer.resize(cols);
    T* out = blocks.Block(block);
    const size_t begin = block * kTile;
    const size_t width = std::min<size_t>(kTile, count - begin);
    for (size_t r = 0; r < width; ++r) {
      read(row + begin + r, buffer);
      const float* in = buffer.data() + col;
      for (size_t k = 0; k < depth; ++k) {
        out[k * kTile + r] = scale * static_cast<T>(in[k]);
      }
    }
    for (size_t k = 0; width < kTile && k < depth; ++k) {
      std::fill(out + k * kTile + width, out + (k + 1) * kTile, T{0});
    }
  });
}

template <typename T>
Gram<T> ZeroGram(size_t size) {
  Gram<T> gram;
  gram.size = size;
  gram.stride = RoundUp(size, kTile);
  gram.values = ZeroArray<T>(gram.stride * gram.stride);
  return gram;
}

template <typename T>
Gram<T> GramOfSmallerSide(const RowReader& read, uint64_t rows, uint64_t cols,
                          double scale, int threads) {
  Gram<T> gram = ZeroGram<T>(std::min(rows, cols));
  AddWeights<T>(read, rows, cols, scale, gram, threads);
  return gram;
}

TiledGram TiledGramOfSmallerSide(const RowReader& read, uint64_t rows,
                                 uint64_t cols, double scale, int threads) {
  TiledGram gram;
  gram.size = std::min(rows, cols);
  gram.tiles = CeilDiv(gram.size, kTile);
  gram.values =
      ZeroArray<float>(gram.tiles * (gram.tiles + 1) / 2 * kTile * kTile);
  AddWeights<float>(read, rows, cols, scale, gram, threads);
  return gram;
}

#define RAM_INSTANTIATE(T)                                                     \
  template AlignedArray<T> ZeroArray<T>(size_t);                               \
  template class ColumnBlocks<T>;                                              \
  template void MultiplyBlock<T>(const T*, const T*, size_t, T*, size_t);      \
  template Gram<T> ZeroGram<T>(size_t);                                        \
  template void PackRows<T>(const RowReader&, uint64_t, uint64_t, uint64_t, T, \
                            ColumnBlocks<T>&, int);                            \
  template void PackTransposed<T>(const RowReader&, uint64_t, uint64_t,        \
                                  uint64_t, uint64_t, uint64_t, T,             \
                                  ColumnBlocks<T>&, int);                      \
  template Gram<T> GramOfSmallerSide<T>(const RowReader&, uint64_t, uint64_t,  \
                                        double, int);
RAM_INSTANTIATE(float)
RAM_INSTANTIATE(double)
#undef RAM_INSTANTIATE

}  // namespace ram
