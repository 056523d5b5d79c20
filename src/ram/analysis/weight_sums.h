// Everything a matrix's metrics need, summed over a slice of its rows in one
// pass: the min-max error of every affine scheme, moments, extremes.
//
// The weights go through in tiles of 16 groups of 128 along the rows, one
// group per virtual lane, whatever the width of the machine's vectors; sums
// are float within a group and double beyond, merged in a fixed order. So the
// bytes are the same on every SIMD target.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ram/quantization/scheme.h"
#include "ram/tensor/dtype.h"

namespace ram {

// Whole rows of a matrix.
struct WeightSlice {
  DType dtype = DType::kBF16;        // BF16, F16 or F32
  std::span<const std::byte> bytes;  // [rows, cols] of dtype, aligned to it
  uint64_t rows = 0;
  uint64_t cols = 0;
  float pivot = 0;               // near the mean of the matrix
  bool columns = false;          // sum over columns, too
  std::span<const float> signs;  // [rows] of +-1: sum sign x row, too; or none
};

struct WeightSums {
  // By index of AffineSchemeAt, of MLX's min-max rounding with scale and bias
  // in KeptDType(dtype); meaningless where the scheme does not fit.
  std::array<double, kAffineSchemeCount> squared_errors{};
  double rounding_error = 0;       // squared, of docs/metrics.md
  double kept_error = 0;           // squared, of rounding to KeptDType(dtype)
  std::array<double, 4> powers{};  // sums of (w - pivot)^1, 2, 3, 4
  float min = 0;
  float max = 0;
  // The widest group of 64 along a row: max - min, and where.
  float worst_range = -1;
  uint64_t worst_row = 0;
  uint64_t worst_col = 0;
  uint64_t zeros = 0;
  uint64_t outliers = 0;  // |w| > 5 x rms of its row
  uint64_t nonfinite = 0;
  uint64_t first_nonfinite = 0;        // flat index in the slice
  std::vector<double> row_squares;     // [rows]
  std::vector<double> column_squares;  // [cols] with `columns`
  std::vector<double> signed_sums;     // [cols] with `signs`
};

// Working memory, reused from slice to slice.
class WeightSummer {
 public:
  // Replaces the contents of `sums`.
  void Sum(const WeightSlice& slice, WeightSums& sums);

 private:
  std::vector<float> column_squares_;  // since the last flush, padded
  std::vector<float> signed_sums_;
  std::vector<float> peaks_;  // absmax of every 32 weights of the row
};

// What the kernel borrows of a WeightSummer. Columns are padded to 128.
struct WeightBuffers {
  float* column_squares;  // null: not wanted
  float* signed_sums;     // null: not wanted
  float* peaks;           // [cols / 32]
};

}  // namespace ram
