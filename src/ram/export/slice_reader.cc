#include "ram/export/slice_reader.h"

#include <cstring>

#include "ram/base/error.h"
#include "ram/tensor/convert.h"

namespace ram {

SliceReader::SliceReader(const Checkpoint& checkpoint,
                         const TargetLayout& layout, uint64_t max_weights)
    : checkpoint_(checkpoint), layout_(layout), floats_(max_weights) {}

// Whether rows of the matrix are rows of the tensor, value by value.
bool SliceReader::Direct(const Matrix& matrix) const {
  const TensorInfo& tensor = checkpoint_.TensorOf(matrix);
  const DType dtype = tensor.dtype;
  return tensor.storage.dense() && matrix.contiguous() &&
         (dtype == DType::kBF16 || dtype == DType::kF16 ||
          dtype == DType::kF32);
}

std::span<const float> SliceReader::ReadWeights(const Slice& slice) {
  const Matrix& matrix = checkpoint_.model().matrices[slice.matrix];
  const auto weights = std::span(floats_).first(slice.weights());
  if (!Direct(matrix)) {
    checkpoint_.ReadRows(matrix, slice.row, weights);
    return weights;
  }
  const DType dtype = checkpoint_.model().tensors[matrix.tensor].dtype;
  const uint64_t bytes = slice.weights() * DTypeBytes(dtype);
  if (raw_.size() < bytes) raw_.resize(bytes);
  checkpoint_.ReadTensor(
      matrix.tensor,
      (matrix.first_row + slice.row) * slice.cols * DTypeBytes(dtype),
      std::span(raw_).first(bytes));
  ToFloat(dtype, raw_.data(), weights);
  return weights;
}

std::span<const std::byte> SliceReader::Kept(const Slice& slice) {
  const Matrix& matrix = checkpoint_.model().matrices[slice.matrix];
  const DType kept = layout_.units[slice.index].kept_dtype;
  const uint64_t bytes = slice.weights() * DTypeBytes(kept);
  if (Direct(matrix) &&
      checkpoint_.model().tensors[matrix.tensor].dtype == kept) {
    return std::span(raw_).first(bytes);
  }
  if (cast_.size() < bytes) cast_.resize(bytes);
  FromFloat(kept, std::span(floats_).first(slice.weights()), cast_.data());
  return std::span(cast_).first(bytes);
}

// raw_ -> cast_ in the wanted type.
void SliceReader::Cast(DType from, const PlainTensor& plain,
                       uint64_t elements) {
  const bool to_float = plain.dtype == DType::kF32 ||
                        plain.dtype == DType::kF16 ||
                        plain.dtype == DType::kBF16;
  if (!IsWeightDType(from) || !to_float) {
    Fail(ErrorKind::kUnsupported,
         "{}: found {}, expected a type that casts to "
         "{}",
         plain.name, DTypeName(from), DTypeName(plain.dtype));
  }
  const auto values = std::span(floats_).first(elements);
  ToFloat(from, raw_.data(), values);
  if (plain.change == PlainTensor::Change::kAddOne) {
    for (float& value : values) value += 1.0f;
  }
  cast_.resize(
      std::max<size_t>(cast_.size(), elements * DTypeBytes(plain.dtype)));
  FromFloat(plain.dtype, values, cast_.data());
}

// Each row of raw_ is a block [a, b]; it becomes [b, a].
void SliceReader::MoveAxis21(const Slice& slice, const TensorInfo& tensor,
                             uint64_t element_bytes) {
  const uint64_t a = tensor.shape[1], b = tensor.shape[2];
  if (a == 1 || b == 1) return;
  std::vector<std::byte> block(a * b * element_bytes);
  for (uint64_t row = 0; row < slice.rows; ++row) {
    std::byte* at = raw_.data() + row * block.size();
    for (uint64_t i = 0; i < a; ++i) {
      for (uint64_t j = 0; j < b; ++j) {
        std::memcpy(block.data() + (j * a + i) * element_bytes,
                    at + (i * b + j) * element_bytes, element_bytes);
      }
    }
    std::memcpy(at, block.data(), block.size());
  }
}

std::span<const std::byte> SliceReader::ReadPlain(const Slice& slice) {
  const PlainTensor& plain = layout_.plain[slice.index];
  const TensorInfo& tensor = checkpoint_.model().tensors[plain.tensor];
  const uint64_t element_bytes = DTypeBytes(tensor.dtype);
  const uint64_t bytes = slice.weights() * element_bytes;
  if (raw_.size() < bytes) raw_.resize(bytes);
  checkpoint_.ReadTensor(plain.tensor, slice.row * slice.cols * element_bytes,
                         std::span(raw_).first(bytes));
  if (plain.change == PlainTensor::Change::kMoveAxis21) {
    MoveAxis21(slice, tensor, element_bytes);
  }
  if (tensor.dtype == plain.dtype &&
      plain.change != PlainTensor::Change::kAddOne) {
    return std::span(raw_).first(bytes);
  }
  Cast(tensor.dtype, plain, slice.weights());
  return std::span(cast_).first(slice.weights() * DTypeBytes(plain.dtype));
}

uint64_t SliceReader::SourceEnd(const Slice& slice) const {
  const Model& model = checkpoint_.model();
  const TensorInfo& tensor =
      model.tensors[slice.plain ? layout_.plain[slice.index].tensor
                                : model.matrices[slice.matrix].tensor];
  uint64_t row = slice.row + slice.rows;
  if (!slice.plain) {
    const Matrix& matrix = model.matrices[slice.matrix];
    if (!matrix.contiguous()) {
      return slice.last ? tensor.offset + tensor.bytes() : 0;
    }
    row += matrix.first_row;
  }
  if (slice.plain) {
    return tensor.offset + row * slice.cols * DTypeBytes(tensor.dtype);
  }
  return tensor.offset + row * tensor.row_bytes();
}

uint64_t SliceReader::SourceBytes(const Slice& slice) const {
  const Model& model = checkpoint_.model();
  const uint32_t tensor = slice.plain ? layout_.plain[slice.index].tensor
                                      : model.matrices[slice.matrix].tensor;
  return slice.weights() * DTypeBytes(model.tensors[tensor].dtype);
}

}  // namespace ram
