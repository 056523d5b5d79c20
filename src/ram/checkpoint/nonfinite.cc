#include "ram/checkpoint/nonfinite.h"

#include <cmath>

#include "ram/base/error.h"

namespace ram {

uint64_t StoredIndex(const Matrix& matrix, uint64_t index) {
  const uint64_t row = index / matrix.cols;
  const uint64_t col = index % matrix.cols;
  const uint64_t height =
      matrix.transposed ? matrix.source_cols : matrix.block_rows;
  const uint64_t first = matrix.first_row + row / height * matrix.block_stride;
  const uint64_t within = row % height;
  return matrix.transposed ? (first + col) * matrix.source_cols + within
                           : (first + within) * matrix.source_cols + col;
}

void FailNonfinite(const Checkpoint& checkpoint, const Matrix& matrix,
                   uint64_t index, float value) {
  const TensorInfo& tensor = checkpoint.model().tensors[matrix.tensor];
  Fail(ErrorKind::kCorrupt,
       "{}: {}: found {} at index {}, expected finite weights "
       "(--allow-nonfinite keeps the tensor at 16 bits)",
       checkpoint.file(tensor.file).path().string(), tensor.name,
       std::isnan(value) ? "NaN"
       : value < 0       ? "-infinity"
                         : "infinity",
       StoredIndex(matrix, index));
}

}  // namespace ram
