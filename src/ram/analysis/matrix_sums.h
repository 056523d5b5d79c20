// The sums of the slices of one matrix, put together in order whichever thread
// brings them when, and what follows from them.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string_view>
#include <vector>

#include "ram/analysis/analyze.h"
#include "ram/analysis/repeat_counts.h"
#include "ram/analysis/weight_sums.h"

namespace ram {

struct SliceResult {
  WeightSums sums;
  uint64_t hash = 0;  // XXH3 of the slice's bytes
  RepeatCounts repeats;
};

// Results that are reused, as new memory for each slice would cost more than
// filling it.
class SliceResultPool {
 public:
  std::unique_ptr<SliceResult> Take();
  void Return(std::unique_ptr<SliceResult> result);

 private:
  std::mutex mutex_;
  std::vector<std::unique_ptr<SliceResult>> free_;
};

class MatrixSums {
 public:
  // `pivot` is what the slices' powers are about.
  MatrixSums(const Matrix& matrix, float pivot, SliceResultPool& pool);

  float pivot() const { return pivot_; }
  // From any thread, in any order, every slice once.
  void Add(uint64_t slice, std::unique_ptr<SliceResult> result);

  // Once every slice is there:
  uint64_t nonfinite() const { return total_.nonfinite; }
  double squared_norm() const { return squared_norm_; }
  const std::array<double, kAffineSchemeCount>& squared_errors() const {
    return total_.squared_errors;
  }
  // nmse has both halves of AffineMeasuredSchemes; the second is all NaN.
  // Metrics, moments and errors are left out of a matrix with NaN or Inf.
  MatrixRecord Record() const;
  // Without singular values.
  MatrixProfile Profile(uint64_t seed) const;

 private:
  void Merge(const SliceResult& result);

  const Matrix& matrix_;
  float pivot_;
  SliceResultPool& pool_;
  std::mutex mutex_;
  uint64_t next_slice_ = 0;
  std::map<uint64_t, std::unique_ptr<SliceResult>> early_;

  uint64_t rows_ = 0;  // merged so far
  WeightSums total_;   // but for the rows
  double squared_norm_ = 0;
  std::vector<float> row_norms_;
  std::vector<uint64_t> hashes_;
  RepeatCounts repeats_;
};

// The +-1 of every row of a sketch: of the seed and the role only, so that the
// experts of all layers compare.
std::vector<float> SketchSigns(uint64_t seed, std::string_view role,
                               uint64_t first_row, uint64_t rows);

inline constexpr size_t kSketchSize = 64;

}  // namespace ram
