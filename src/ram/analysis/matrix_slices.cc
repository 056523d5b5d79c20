#include "ram/analysis/matrix_slices.h"

#include <algorithm>

#include "ram/base/checked.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

// Whether rows of the matrix are rows of the tensor, value by value.
bool Direct(const Checkpoint& checkpoint, const Matrix& matrix) {
  const TensorInfo& tensor = checkpoint.TensorOf(matrix);
  const DType dtype = tensor.dtype;
  return tensor.storage.dense() && matrix.contiguous() &&
         (dtype == DType::kBF16 || dtype == DType::kF16 ||
          dtype == DType::kF32);
}

}  // namespace

uint64_t RowsPerSlice(const Matrix& matrix) {
  return std::clamp<uint64_t>(kSliceWeights / matrix.cols, 1, matrix.rows);
}

uint64_t SliceCount(const Matrix& matrix) {
  return CeilDiv(matrix.rows, RowsPerSlice(matrix));
}

std::span<std::byte> MatrixSliceReader::Bytes(uint64_t size) {
  if (bytes_.size() < size) bytes_.resize(size);
  return std::span(bytes_).first(size);
}

std::span<float> MatrixSliceReader::Floats(uint64_t size) {
  if (floats_.size() < size) floats_.resize(size);
  return std::span(floats_).first(size);
}

WeightSlice MatrixSliceReader::Read(const Checkpoint& checkpoint,
                                    const Matrix& matrix, uint64_t row,
                                    uint64_t rows) {
  const TensorInfo& tensor = checkpoint.TensorOf(matrix);
  const DType dtype = tensor.dtype;
  WeightSlice slice;
  slice.rows = rows;
  slice.cols = matrix.cols;
  if (Direct(checkpoint, matrix)) {
    const uint64_t row_bytes = matrix.cols * DTypeBytes(dtype);
    const std::span<std::byte> bytes = Bytes(rows * row_bytes);
    checkpoint.ReadTensor(matrix.tensor, (matrix.first_row + row) * row_bytes,
                          bytes);
    slice.dtype = dtype;
    slice.bytes = bytes;
    return slice;
  }
  const std::span<float> floats = Floats(rows * matrix.cols);
  checkpoint.ReadRows(matrix, row, floats);
  slice.dtype = DType::kF32;
  slice.bytes = std::as_bytes(floats);
  if (tensor.storage.dense() &&
      (dtype == DType::kBF16 || dtype == DType::kF16)) {
    const std::span<std::byte> bytes = Bytes(floats.size() * DTypeBytes(dtype));
    FromFloat(dtype, floats, bytes.data());
    slice.dtype = dtype;
    slice.bytes = bytes;
  }
  return slice;
}

std::span<const float> MatrixSliceReader::ReadFloats(
    const Checkpoint& checkpoint, const Matrix& matrix, uint64_t row,
    uint64_t rows) {
  const std::span<float> floats = Floats(rows * matrix.cols);
  if (Direct(checkpoint, matrix)) {
    const WeightSlice slice = Read(checkpoint, matrix, row, rows);
    ToFloat(slice.dtype, slice.bytes.data(), floats);
  } else {
    checkpoint.ReadRows(matrix, row, floats);
  }
  return floats;
}

}  // namespace ram
