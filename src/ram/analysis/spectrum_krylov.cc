#include "ram/analysis/spectrum_krylov.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <numeric>
#include <span>

#include "ram/analysis/spectrum_tridiagonal.h"
#include "ram/base/checked.h"
#include "ram/base/parallel.h"

namespace ram {
namespace {

constexpr size_t kTileElements = kTile * kTile;
// So many blocks keep the concentration of 256 values within 1.5e-3 for the
// spectra of random matrices, the flattest and therefore the hardest.
size_t BlocksFor(size_t size) { return 17 + size / 1024; }
constexpr size_t kMaxBasisElements = size_t{28} << 20;

// What is left of a column of A Q when it lies in the span of Q: rounding
// errors, this much of the longest column.
constexpr double kRounding = 5e-7;
// A unit column that the others nearly span is dropped when less is left of it.
constexpr double kIndependent = 0.1;

// An orthonormal basis that grows by blocks of kTile columns, some of which may
// be zero.
class Basis {
 public:
  Basis(size_t padded, size_t max_blocks, int threads)
      : padded_(padded),
        threads_(threads),
        values_(ZeroArray<float>(max_blocks * padded * kTile)),
        along_(ZeroArray<float>(max_blocks * kTileElements)),
        wide_(ZeroArray<double>(padded * kTile)) {}

  const float* Block(size_t block) const {
    return values_.get() + block * padded_ * kTile;
  }
  // The component of y along each block so far, [kTile, kTile] each.
  const float* Project(const float* y) {
    std::memset(along_.get(), 0, blocks_ * kTileElements * sizeof(float));
    ParallelFor(blocks_, threads_, [&](uint64_t block, int) {
      MultiplyBlock(Block(block), y, padded_,
                    along_.get() + block * kTileElements, kTile);
    });
    return along_.get();
  }

  // y -= basis * (the components of the last Project).
  void Subtract(float* y) {
    float* along = along_.get();
    for (size_t i = 0; i < blocks_ * kTileElements; ++i) along[i] = -along[i];
    ParallelFor(padded_ / kTile, threads_, [&](uint64_t tile, int) {
      alignas(64) float transposed[kTileElements];
      for (size_t block = 0; block < blocks_; ++block) {
        TransposeTile(Block(block) + tile * kTileElements, transposed);
        MultiplyTile(transposed, along + block * kTileElements, kTile,
                     y + tile * kTileElements, kTile);
      }
    });
  }

  // Makes the columns of y orthonormal, by the Cholesky factor of their Gram
  // matrix in double precision. Columns of which less than `shortest` is left
  // by the others become zero: returns which.
  std::vector<size_t> Normalize(float* y, double shortest) {
    const size_t n = padded_ * kTile;
    for (size_t i = 0; i < n; ++i) wide_[i] = static_cast<double>(y[i]);
    alignas(64) double gram[kTileElements] = {};
    MultiplyBlock(wide_.get(), wide_.get(), padded_, gram, kTile);
    alignas(64) double inverse[kTileElements] = {};
    std::vector<size_t> dropped = InverseFactor(gram, shortest, inverse);
    for (size_t tile = 0; tile < padded_ / kTile; ++tile) {
      alignas(64) double transposed[kTileElements];
      alignas(64) double product[kTileElements] = {};
      const double* in = wide_.get() + tile * kTileElements;
      for (size_t i = 0; i < kTileElements; ++i) {
        transposed[i] = in[i % kTile * kTile + i / kTile];
      }
      MultiplyTile(transposed, inverse, kTile, product, kTile);
      for (size_t i = 0; i < kTileElements; ++i) {
        y[tile * kTileElements + i] = static_cast<float>(product[i]);
      }
    }
    return dropped;
  }

  void Append(const float* y) {
    std::memcpy(values_.get() + blocks_ * padded_ * kTile, y,
                padded_ * kTile * sizeof(float));
    ++blocks_;
  }

 private:
  // inverse = r^-1 for the upper triangular r with r'r = gram; zero columns
  // where a column of the factored matrix depends on those before it.
  static std::vector<size_t> InverseFactor(double* gram, double shortest,
                                           double* inverse) {
    std::vector<size_t> dropped;
    for (size_t j = 0; j < kTile; ++j) {
      double* row = gram + j * kTile;
      const double norm2 = row[j];
      double pivot = norm2;
      for (size_t k = 0; k < j; ++k) {
        pivot -= gram[k * kTile + j] * gram[k * kTile + j];
      }
      if (!(pivot > norm2 * 1e-12) || !(pivot > shortest * shortest)) {
        for (size_t i = 0; i < kTile; ++i) row[i] = 0;
        dropped.push_back(j);
        continue;
      }
      const double diagonal = std::sqrt(pivot);
      for (size_t i = j + 1; i < kTile; ++i) {
        for (size_t k = 0; k < j; ++k) {
          row[i] -= gram[k * kTile + j] * gram[k * kTile + i];
        }
        row[i] /= diagonal;
      }
      // Column j of the inverse, by substitution from below.
      inverse[j * kTile + j] = 1 / diagonal;
      for (size_t i = 0; i < j; ++i) {
        double sum = 0;
        for (size_t k = i; k < j; ++k) {
          sum += inverse[i * kTile + k] * gram[k * kTile + j];
        }
        inverse[i * kTile + j] = -sum / diagonal;
      }
    }
    return dropped;
  }

  size_t padded_;
  int threads_;
  size_t blocks_ = 0;
  AlignedArray<float> values_;
  AlignedArray<float> along_;
  AlignedArray<double> wide_;
};

double LongestColumn(const float* block, size_t rows) {
  double norms2[kTile] = {};
  for (size_t i = 0; i < rows; ++i) {
    for (size_t j = 0; j < kTile; ++j) {
      const double x = static_cast<double>(block[i * kTile + j]);
      norms2[j] += x * x;
    }
  }
  return std::sqrt(*std::max_element(norms2, norms2 + kTile));
}

// The rows that were packed, as they lie there.
RowReader RowsOf(const ColumnBlocks<float>& packed, uint64_t cols) {
  return [&packed, cols](uint64_t row, std::span<float> out) {
    for (uint64_t col = 0; col < cols; col += kTile) {
      const float* const in = packed.Block(col / kTile) + row * kTile;
      std::copy_n(in, std::min<uint64_t>(kTile, cols - col), &out[col]);
    }
  };
}

}  // namespace

BlockOperator GramOperator(const TiledGram& gram, int threads) {
  return [&gram, threads](const float* x, float* y) {
    ParallelFor(gram.tiles, threads, [&](uint64_t i, int) {
      float* out = y + i * kTileElements;
      std::memset(out, 0, kTileElements * sizeof(float));
      alignas(64) float transposed[kTileElements];
      for (size_t k = 0; k < gram.tiles; ++k) {
        const float* tile = transposed;
        if (k <= i) {
          tile = gram.Tile(k, i);
        } else {
          TransposeTile(gram.Tile(i, k), transposed);
        }
        MultiplyTile(tile, x + k * kTileElements, kTile, out, kTile);
      }
    });
  };
}

BlockOperator WeightsOperator(const RowReader& read, uint64_t rows,
                              uint64_t cols, float scale, int threads) {
  // A chunk of rows is packed both ways, so that it can be multiplied from
  // either side: `by_column` is the chunk, `by_row` its transpose. A matrix of
  // one chunk is read once and stays.
  const uint64_t padded_cols = RoundUp(cols, kTile);
  const uint64_t step = std::min<uint64_t>(
      rows,
      std::max<uint64_t>((size_t{4} << 20) / padded_cols / kTile, 1) * kTile);
  struct Buffers {
    ColumnBlocks<float> by_column, by_row;
    AlignedArray<float> product;  // W' x or (part of) W x
    bool packed = false;          // all of it
  };
  const bool tall = cols <= rows;
  auto buffers = std::make_shared<Buffers>(Buffers{
      ColumnBlocks<float>(step, cols), ColumnBlocks<float>(cols, step),
      ZeroArray<float>((tall ? RoundUp(step, kTile) : padded_cols) * kTile),
      false});
  return [=](const float* x, float* y) {
    Buffers& b = *buffers;
    float* product = b.product.get();
    const RowReader packed = RowsOf(b.by_column, cols);
    const bool one_chunk = step >= rows;
    // out[width, kTile] += a' in, by tiles of rows of out.
    const auto multiply = [&](const ColumnBlocks<float>& a, size_t blocks,
                              const float* in, float* out) {
      ParallelFor(blocks, threads, [&](uint64_t block, int) {
        MultiplyBlock(a.Block(block), in, a.depth(),
                      out + block * kTileElements, kTile);
      });
    };
    if (tall) {
      std::memset(y, 0, padded_cols * kTile * sizeof(float));
    } else {
      std::memset(product, 0, padded_cols * kTile * sizeof(float));
    }
    for (uint64_t row = 0; row < rows; row += step) {
      const uint64_t n = std::min(step, rows - row);
      if (!b.packed) {
        PackRows(read, row, n, cols, scale, b.by_column, threads);
        if (tall || one_chunk) {
          PackTransposed(packed, 0, n, cols, 0, cols, 1.0f, b.by_row, threads);
        }
      }
      if (!tall) {
        multiply(b.by_column, b.by_column.blocks(), x + row * kTile, product);
        continue;
      }
      const size_t blocks = CeilDiv(n, kTile);
      std::memset(product, 0, blocks * kTileElements * sizeof(float));
      multiply(b.by_row, blocks, x, product);
      multiply(b.by_column, b.by_column.blocks(), product, y);
    }
    for (uint64_t row = 0; !tall && row < rows; row += step) {
      const uint64_t n = std::min(step, rows - row);
      if (!one_chunk) {
        PackTransposed(read, row, n, cols, 0, cols, scale, b.by_row, threads);
      }
      const size_t blocks = CeilDiv(n, kTile);
      std::memset(y + row * kTile, 0, blocks * kTileElements * sizeof(float));
      multiply(b.by_row, blocks, product, y + row * kTile);
    }
    b.packed = one_chunk;
  };
}

std::vector<double> KrylovEigenvalues(const BlockOperator& apply, size_t size,
                                      size_t count, int bits,
                                      const CounterRandom& random,
                                      int threads) {
  const size_t padded = RoundUp(size, kTile);
  const size_t max_blocks =
      std::clamp<size_t>(kMaxBasisElements / (padded * kTile), 1,
                         std::min(BlocksFor(size), padded / kTile));
  Basis basis(padded, max_blocks, threads);
  AlignedArray<float> x = ZeroArray<float>(padded * kTile);
  AlignedArray<float> y = ZeroArray<float>(padded * kTile);
  uint64_t used = 0;
  // Unit columns, nearly.
  const auto randomize = [&](float* block, std::span<const size_t> columns) {
    const double length = std::sqrt(3 / static_cast<double>(size));
    for (const size_t column : columns) {
      for (size_t i = 0; i < size; ++i) {
        block[i * kTile + column] =
            static_cast<float>(length * (2 * random.Uniform(used++) - 1));
      }
    }
  };
  std::vector<size_t> dropped(kTile);
  std::iota(dropped.begin(), dropped.end(), size_t{0});
  randomize(x.get(), dropped);
  basis.Normalize(x.get(), 0);
  Gram<float> projected = ZeroGram<float>(max_blocks * kTile);
  double longest = 0;
  for (size_t block = 0; block < max_blocks; ++block) {
    basis.Append(x.get());
    apply(x.get(), y.get());
    longest = std::max(longest, LongestColumn(y.get(), padded));
    const float* along = basis.Project(y.get());
    for (size_t i = 0; i <= block; ++i) {
      for (size_t r = 0; r < kTile; ++r) {
        std::copy_n(along + i * kTileElements + r * kTile, kTile,
                    projected.Tile(i, block) + r * projected.stride);
      }
    }
    if (block + 1 == max_blocks) break;
    basis.Subtract(y.get());
    dropped = basis.Normalize(y.get(), kRounding * longest);
    // Once is not enough for columns that were short; twice is (Kahan and
    // Parlett). An eigenvalue with more copies than a block has columns ends
    // the Krylov space early: random columns take the place of what is missing.
    for (int pass = 0; pass < 2; ++pass) {
      randomize(y.get(), dropped);
      basis.Project(y.get());
      basis.Subtract(y.get());
      const bool whole = dropped.empty();
      dropped = basis.Normalize(y.get(), kIndependent);
      if (whole && dropped.empty()) break;
    }
    std::swap(x, y);
  }
  return LargestEigenvalues(Tridiagonalize(projected), count, bits);
}

}  // namespace ram
