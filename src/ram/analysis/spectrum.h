// Spectral concentration without singular vectors: the eigenvalues of the Gram
// matrix over the smaller side, all of them by tridiagonal reduction up to
// 2048, the leading ones by a seeded block Krylov method beyond.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace ram {

// Fills `out` (n * cols floats) with rows [row, row + n) of the matrix.
// Called from several threads.
using RowReader = std::function<void(uint64_t row, std::span<float> out)>;

struct Spectrum {
  // Energy of the top max(1, floor(k / 10)) of the leading k = min(256, rows,
  // cols) singular values over the energy of those k (k = min(rows, cols) when
  // that is <= 512); within 2e-3 of exact. In [0, 1].
  double concentration = 0;
  double stable_rank = 0;  // squared Frobenius norm / largest squared value
  double top_energy = 0;   // energy of that top 10 % / squared Frobenius norm
  // Only by FullSpectrum:
  std::vector<double> singular_values;  // descending
  std::optional<double> alpha;  // heavy-tail exponent of the eigenvalues of W'W
};

// The random numbers depend on (seed, name) only; the result has the same bits
// for any thread count and SIMD target. Working memory stays under 300 MiB for
// any shape whose rows are at most 256 Ki long (one row is read at a time per
// thread), and under 64 MiB up to 4 Mi weights. All-zero matrices give zeros.
// Throws kCorrupt, naming `name`, on NaN or infinity. threads: 0 means all.
Spectrum MeasureSpectrum(const RowReader& read, uint64_t rows, uint64_t cols,
                         uint64_t seed, std::string_view name, int threads);

// All singular values, from a Gram matrix in double precision: exact to about
// 1e-8 of the largest. Opt-in, slow (cubic); memory 8 bytes x min(rows, cols)^2
// and 64 MiB. Throws as above.
Spectrum FullSpectrum(const RowReader& read, uint64_t rows, uint64_t cols,
                      int threads);

}  // namespace ram
