// Linears over packed rows, shared out among the threads of a pool.
#pragma once

#include <cstdint>
#include <memory>

#include "ram/base/worker_pool.h"
#include "ram/evaluation/linear.h"
#include "ram/evaluation/model_weights.h"
#include "ram/evaluation/packed_rows.h"

namespace ram {

// A few vectors are multiplied with the rows as they are stored; from 17 on,
// tiles of rows are decoded and multiplied as matrices. The first way gives
// the same bits for a vector whatever is multiplied beside it.
inline constexpr uint64_t kFewVectors = 16;

class PackedLinear : public Linear {
 public:
  // Keeps a reference to the pool.
  PackedLinear(std::shared_ptr<const PackedRows> rows, WorkerPool& pool);

  void Apply(const float* x, uint64_t rows, float* y) const override;

 private:
  void ApplyTiles(const float* x, uint64_t rows, float* y) const;

  std::shared_ptr<const PackedRows> rows_;
  WorkerPool& pool_;
};

// Loads matrices as they are stored, and counts.
class PackedMaker : public LinearMaker {
 public:
  PackedMaker(const Checkpoint& checkpoint, WorkerPool& pool)
      : checkpoint_(checkpoint), pool_(pool) {}

  std::unique_ptr<Linear> Make(const Matrix& matrix, uint64_t first_row,
                               uint64_t rows) override;
  // Of all that was made.
  uint64_t bytes() const { return bytes_; }

 private:
  const Checkpoint& checkpoint_;
  WorkerPool& pool_;
  uint64_t bytes_ = 0;
};

}  // namespace ram
