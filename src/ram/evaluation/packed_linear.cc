#include "ram/evaluation/packed_linear.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "ram/evaluation/dense_linear.h"
#include "ram/evaluation/norm.h"

namespace ram {
namespace {

// Of weights that a thread takes at a time: long enough that taking costs
// nothing, short enough that threads end together.
constexpr uint64_t kItemBytes = uint64_t{64} << 10;
// Of decoded weights, in a second-level cache.
constexpr uint64_t kTileBytes = uint64_t{512} << 10;

// A multiple of the kernels' blocks of rows.
uint64_t RowsIn(uint64_t bytes, uint64_t row_bytes) {
  return std::max<uint64_t>(bytes / std::max<uint64_t>(row_bytes, 1) / 4, 1) *
         4;
}

}  // namespace

PackedLinear::PackedLinear(std::shared_ptr<const PackedRows> rows,
                           WorkerPool& pool)
    : Linear(rows->cols(), rows->rows()), rows_(std::move(rows)), pool_(pool) {}

void PackedLinear::Apply(const float* x, uint64_t rows, float* y) const {
  if (rows > kFewVectors) return ApplyTiles(x, rows, y);
  thread_local PackedVectors arranged;
  PackedVectors& vectors = arranged;  // this thread's, for the others, too
  rows_->Arrange(x, rows, vectors);
  const uint64_t step = RowsIn(kItemBytes, rows_->bytes() / out());
  pool_.Run((out() + step - 1) / step, [&](uint64_t item) {
    const uint64_t first = item * step;
    rows_->Multiply(first, std::min(step, out() - first), vectors, y + first,
                    out());
  });
}

void PackedLinear::ApplyTiles(const float* x, uint64_t rows, float* y) const {
  const uint64_t step = RowsIn(kTileBytes, in() * sizeof(float));
  pool_.Run((out() + step - 1) / step, [&](uint64_t item) {
    thread_local std::vector<float> buffer;
    const uint64_t first = item * step;
    const uint64_t count = std::min(step, out() - first);
    float* tile = Room(buffer, count * in());
    rows_->Decode(first, {tile, count * in()});
    MultiplyF32(true, rows, count, in(), 1.0f, x, in(), tile, in(), 0.0f,
                y + first, out());
  });
}

std::unique_ptr<Linear> PackedMaker::Make(const Matrix& matrix,
                                          uint64_t first_row, uint64_t rows) {
  auto packed =
      std::make_shared<PackedRows>(checkpoint_, matrix, first_row, rows);
  bytes_ += packed->bytes();
  return std::make_unique<PackedLinear>(std::move(packed), pool_);
}

}  // namespace ram
