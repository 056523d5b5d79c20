#include "ram/checkpoint/nonfinite.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ram/base/error.h"
#include "ram/tensor/convert.h"

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

namespace {

[[noreturn]] void FailTensor(const Checkpoint& checkpoint,
                             const TensorInfo& tensor, uint64_t index,
                             float value) {
  Fail(ErrorKind::kCorrupt,
       "{}: {}: found {} at index {}, expected finite weights "
       "(--allow-nonfinite keeps the tensor at 16 bits)",
       checkpoint.file(tensor.file).path().string(), tensor.name,
       std::isnan(value) ? "NaN"
       : value < 0       ? "-infinity"
                         : "infinity",
       index);
}

}  // namespace

void FailNonfinite(const Checkpoint& checkpoint, const Matrix& matrix,
                   uint64_t index, float value) {
  FailTensor(checkpoint, checkpoint.model().tensors[matrix.tensor],
             StoredIndex(matrix, index), value);
}

void CheckPlainFinite(const Checkpoint& checkpoint) {
  constexpr uint64_t kChunk = uint64_t{1} << 16;  // elements
  const Model& model = checkpoint.model();
  std::vector<std::byte> bytes;
  std::vector<float> values;
  for (uint32_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& tensor = model.tensors[i];
    const bool checked =
        model.uses[i] == TensorUse::kPlain && IsWeightDType(tensor.dtype);
    const uint64_t elements = checked ? tensor.elements() : 0;
    const uint64_t width = DTypeBytes(tensor.dtype);
    for (uint64_t at = 0; at < elements; at += kChunk) {
      values.resize(std::min(kChunk, elements - at));
      bytes.resize(values.size() * width);
      checkpoint.ReadTensor(i, at * width, bytes);
      ToFloat(tensor.dtype, bytes.data(), values);
      for (uint64_t j = 0; j < values.size(); ++j) {
        if (!std::isfinite(values[j])) {
          FailTensor(checkpoint, tensor, at + j, values[j]);
        }
      }
    }
  }
}

}  // namespace ram
