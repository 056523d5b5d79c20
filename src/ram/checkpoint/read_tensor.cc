#include "ram/checkpoint/read_tensor.h"

#include <algorithm>
#include <cassert>
#include <memory>
#include <vector>

#include "ram/base/checked.h"
#include "ram/quantization/affine.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

// Small enough to stay in the second-level cache between read and conversion.
constexpr uint64_t kScratchBytes = uint64_t{256} << 10;

std::span<std::byte> Scratch() {
  thread_local const std::unique_ptr<std::byte[]> scratch(
      new std::byte[kScratchBytes]);
  return {scratch.get(), kScratchBytes};
}

// Whole rows of codes.
void DecodeRows(const TensorSource& source, uint64_t row, uint64_t rows,
                std::span<float> out) {
  const Scheme& scheme = source.tensor.storage.scheme;
  const uint64_t cols = source.cols();
  const uint64_t code_bytes = AffineCodeBytes(scheme, cols);
  const uint64_t scale_bytes = AffineScaleBytes(scheme, cols);
  const uint64_t row_bytes = code_bytes + 2 * scale_bytes;
  const uint64_t batch =
      std::clamp<uint64_t>(kScratchBytes / row_bytes, 1, rows);
  thread_local std::vector<std::byte> scratch;
  if (scratch.size() < batch * row_bytes) scratch.resize(batch * row_bytes);
  while (rows > 0) {
    const uint64_t count = std::min(batch, rows);
    std::span<std::byte> left = scratch;
    const auto read = [&](const File& file, const TensorInfo& tensor,
                          uint64_t bytes) {
      const auto part = left.first(count * bytes);
      left = left.subspan(part.size());
      file.ReadAt(tensor.offset + row * bytes, part);
      return part;
    };
    const auto codes = read(source.file, source.tensor, code_bytes);
    const auto scales = read(*source.scale_file, *source.scale, scale_bytes);
    const auto biases = read(*source.bias_file, *source.bias, scale_bytes);
    DecodeAffine(scheme, source.tensor.dtype, {codes, scales, biases}, cols,
                 out.first(count * cols));
    out = out.subspan(count * cols);
    row += count;
    rows -= count;
  }
}

// out = `out.size()` consecutive elements from the `first` on.
void ReadRun(const TensorSource& source, uint64_t first, std::span<float> out) {
  const uint64_t width = DTypeBytes(source.tensor.dtype);
  uint64_t offset = source.tensor.offset + first * width;
  if (source.tensor.dtype == DType::kF32) {
    source.file.ReadAt(offset, std::as_writable_bytes(out));
    return;
  }
  const std::span<std::byte> scratch = Scratch();
  while (!out.empty()) {
    const size_t count = std::min(out.size(), scratch.size() / width);
    const auto bytes = scratch.first(count * width);
    source.file.ReadAt(offset, bytes);
    ToFloat(source.tensor.dtype, bytes.data(), out.first(count));
    out = out.subspan(count);
    offset += bytes.size();
  }
}

// Whole rows, whatever they are stored as; block scales are not applied.
void ReadWholeRows(const TensorSource& source, uint64_t row, uint64_t rows,
                   std::span<float> out) {
  switch (source.tensor.storage.kind) {
    case Storage::Kind::kDense:
      return ReadRun(source, row * source.cols(), out);
    case Storage::Kind::kAffine:
      return DecodeRows(source, row, rows, out);
  }
}

// The scales of one row, one per block of columns.
class ScaleRows {
 public:
  explicit ScaleRows(const TensorSource& source)
      : source_(source), one_(source.scale->elements() == 1) {
    const auto& shape = source.tensor.shape;
    tensor_rows_ = shape[shape.size() - 2];
    block_rows_ = CeilDiv(tensor_rows_, source.block.rows);
    scales_.resize(CeilDiv(source.cols(), source.block.cols));
  }

  void Apply(uint64_t row, uint64_t col, std::span<float> values) {
    Load(row);
    for (size_t i = 0; i < values.size();) {
      const uint64_t block = (col + i) / source_.block.cols;
      const uint64_t left = source_.block.cols - (col + i) % source_.block.cols;
      const size_t end = std::min<uint64_t>(values.size(), i + left);
      const float scale = scales_[block];
      for (; i < end; ++i) values[i] *= scale;
    }
  }

 private:
  void Load(uint64_t row) {
    // Blocks start anew in every matrix of a stack.
    const uint64_t wanted = one_ ? 0
                                 : row / tensor_rows_ * block_rows_ +
                                       row % tensor_rows_ / source_.block.rows;
    if (wanted == loaded_) return;
    const TensorSource scales{*source_.scale_file, *source_.scale};
    ReadRun(scales, wanted * scales_.size(), scales_);
    loaded_ = wanted;
  }

  const TensorSource& source_;
  bool one_;
  uint64_t tensor_rows_ = 0;
  uint64_t block_rows_ = 0;
  uint64_t loaded_ = ~uint64_t{0};
  std::vector<float> scales_;
};

// Whole rows are read to take `cols` of each, `out` holding them tightly.
void ReadColumns(const TensorSource& source, uint64_t row, uint64_t rows,
                 uint64_t col, uint64_t cols, std::span<float> out) {
  const uint64_t wide = source.cols();
  // A row read alone costs about as much as this many bytes in sequence.
  constexpr uint64_t kRowCostBytes = 4096;
  const uint64_t skipped = (wide - cols) * DTypeBytes(source.tensor.dtype);
  if (skipped > kRowCostBytes && source.tensor.storage.dense()) {
    for (uint64_t r = 0; r < rows; ++r) {
      ReadRun(source, (row + r) * wide + col, out.subspan(r * cols, cols));
    }
    return;
  }
  const uint64_t batch = std::max<uint64_t>(1, kScratchBytes / 4 / wide);
  std::vector<float> lines(std::min(batch, rows) * wide);
  for (uint64_t r = 0; r < rows; r += batch) {
    const uint64_t count = std::min(batch, rows - r);
    ReadWholeRows(source, row + r, count, std::span(lines).first(count * wide));
    for (uint64_t i = 0; i < count; ++i) {
      const auto line = std::span(lines).subspan(i * wide + col, cols);
      std::copy(line.begin(), line.end(),
                out.begin() + static_cast<std::ptrdiff_t>((r + i) * cols));
    }
  }
}

}  // namespace

void ReadRectangle(const TensorSource& source, uint64_t row, uint64_t rows,
                   uint64_t col, uint64_t cols, std::span<float> out) {
  assert(out.size() == rows * cols);
  if (cols == source.cols()) {
    ReadWholeRows(source, row, rows, out);
  } else {
    ReadColumns(source, row, rows, col, cols, out);
  }
  if (!source.scale || !source.tensor.storage.dense()) return;
  ScaleRows scales(source);
  for (uint64_t r = 0; r < rows; ++r) {
    scales.Apply(row + r, col, out.subspan(r * cols, cols));
  }
}

}  // namespace ram
