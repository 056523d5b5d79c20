#include "ram/checkpoint/read_tensor.h"

#include <algorithm>
#include <cassert>
#include <cstring>
#include <memory>
#include <vector>

#include "ram/base/checked.h"
#include "ram/quantization/affine.h"
#include "ram/quantization/gguf_blocks.h"
#include "ram/quantization/packed_int.h"
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
  const bool ints = scheme.kind == SchemeKind::kInt;
  const uint64_t row_bytes = code_bytes + (ints ? 1 : 2) * scale_bytes;
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
    const auto weights = out.first(count * cols);
    if (ints) {
      DecodePackedInt(scheme, source.tensor.dtype, {codes, scales}, cols,
                      weights);
    } else {
      const auto biases = read(*source.bias_file, *source.bias, scale_bytes);
      DecodeAffine(scheme, source.tensor.dtype, {codes, scales, biases}, cols,
                   weights);
    }
    out = out.subspan(count * cols);
    row += count;
    rows -= count;
  }
}

// Whole rows of ggml's blocks.
void DecodeBlockRows(const TensorSource& source, uint64_t row, uint64_t rows,
                     std::span<float> out) {
  const uint64_t row_bytes = source.tensor.row_bytes();
  const uint64_t batch =
      std::clamp<uint64_t>(kScratchBytes / row_bytes, 1, rows);
  thread_local std::vector<std::byte> scratch;
  if (scratch.size() < batch * row_bytes) scratch.resize(batch * row_bytes);
  while (rows > 0) {
    const uint64_t count = std::min(batch, rows);
    const auto bytes = std::span(scratch).first(count * row_bytes);
    ReadStored(source.file, source.tensor, row * row_bytes, bytes);
    DecodeBlocks(source.tensor.storage.block_type, bytes.data(),
                 out.first(count * source.cols()));
    out = out.subspan(count * source.cols());
    row += count;
    rows -= count;
  }
}

// out = `out.size()` consecutive elements from the `first` on.
void ReadRun(const TensorSource& source, uint64_t first, std::span<float> out) {
  const uint64_t width = DTypeBytes(source.tensor.dtype);
  uint64_t offset = first * width;
  if (source.tensor.dtype == DType::kF32) {
    ReadStored(source.file, source.tensor, offset, std::as_writable_bytes(out));
    return;
  }
  const std::span<std::byte> scratch = Scratch();
  while (!out.empty()) {
    const size_t count = std::min(out.size(), scratch.size() / width);
    const auto bytes = scratch.first(count * width);
    ReadStored(source.file, source.tensor, offset, bytes);
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
    case Storage::Kind::kBlocks:
      return DecodeBlockRows(source, row, rows, out);
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

// Rows in the order of the model from a file that has those of each head in
// pairs (Storage::head_rows). A bias is rows of one element.
void ReadPairedRows(const File& file, const TensorInfo& tensor,
                    uint64_t byte_offset, std::span<std::byte> out) {
  const uint64_t row_bytes =
      tensor.shape.size() == 1 ? DTypeBytes(tensor.dtype) : tensor.row_bytes();
  const uint64_t head_rows = tensor.storage.head_rows;
  const uint64_t half = head_rows / 2;
  thread_local std::vector<std::byte> scratch;
  while (!out.empty()) {
    const uint64_t row = byte_offset / row_bytes;
    const uint64_t within = byte_offset % row_bytes;
    const uint64_t i = row % half;
    const uint64_t stored =
        row / head_rows * head_rows + 2 * i + row % head_rows / half;
    const uint64_t begin = tensor.offset + stored * row_bytes;
    uint64_t taken = std::min<uint64_t>(row_bytes - within, out.size());
    if (taken < row_bytes) {
      file.ReadAt(begin + within, out.first(taken));
    } else {
      // Every second row of a run.
      const uint64_t count =
          std::min({half - i, out.size() / row_bytes,
                    std::max<uint64_t>(1, kScratchBytes / (2 * row_bytes))});
      scratch.resize((2 * count - 1) * row_bytes);
      file.ReadAt(begin, scratch);
      for (uint64_t r = 0; r < count; ++r) {
        std::memcpy(&out[r * row_bytes], &scratch[2 * r * row_bytes],
                    row_bytes);
      }
      taken = count * row_bytes;
    }
    byte_offset += taken;
    out = out.subspan(taken);
  }
}

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

void ReadStored(const File& file, const TensorInfo& tensor,
                uint64_t byte_offset, std::span<std::byte> out) {
  if (tensor.storage.head_rows > 0) {
    ReadPairedRows(file, tensor, byte_offset, out);
  } else {
    file.ReadAt(tensor.offset + byte_offset, out);
  }
  if (tensor.storage.shift == 0.0F) return;
  assert(tensor.dtype == DType::kF32 && out.size() % sizeof(float) == 0);
  for (size_t at = 0; at < out.size(); at += sizeof(float)) {
    float value;
    std::memcpy(&value, &out[at], sizeof(value));
    value += tensor.storage.shift;
    std::memcpy(&out[at], &value, sizeof(value));
  }
}

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
