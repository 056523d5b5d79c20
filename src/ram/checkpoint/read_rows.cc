// Checkpoint::ReadRows: canonical matrices from their sources.
#include <algorithm>
#include <cassert>
#include <vector>

#include "ram/base/error.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/checkpoint/read_tensor.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

// What a transposed read may hold beside the result.
constexpr uint64_t kTileFloats = uint64_t{1} << 20;

// Rows of stacked blocks: consecutive rows of a block are consecutive in the
// source.
void ReadBlocks(const TensorSource& source, const Matrix& matrix, uint64_t row,
                uint64_t rows, std::span<float> out) {
  while (rows > 0) {
    const uint64_t block = row / matrix.block_rows;
    const uint64_t within = row % matrix.block_rows;
    const uint64_t count = std::min(rows, matrix.block_rows - within);
    const size_t floats = count * matrix.cols;
    ReadRectangle(source,
                  matrix.first_row + block * matrix.block_stride + within,
                  count, 0, matrix.source_cols, out.first(floats));
    out = out.subspan(floats);
    row += count;
    rows -= count;
  }
}

// out[j][i] = columns first_col + j of rows i of one block.
void ReadTransposedBlock(const TensorSource& source, const Matrix& matrix,
                         uint64_t first_row, uint64_t first_col, uint64_t count,
                         std::vector<float>& tile, std::span<float> out) {
  const uint64_t batch =
      std::clamp<uint64_t>(kTileFloats / count, 1, matrix.block_rows);
  tile.resize(batch * count);
  for (uint64_t i = 0; i < matrix.block_rows; i += batch) {
    const uint64_t rows = std::min(batch, matrix.block_rows - i);
    const std::span<float> lines = std::span(tile).first(rows * count);
    ReadRectangle(source, first_row + i, rows, first_col, count, lines);
    // Squares of one cache line each way keep both sides in cache.
    constexpr uint64_t kSide = 16;
    for (uint64_t r0 = 0; r0 < rows; r0 += kSide) {
      for (uint64_t j = 0; j < count; ++j) {
        float* const to = &out[j * matrix.cols + i];
        for (uint64_t r = r0; r < std::min(r0 + kSide, rows); ++r) {
          to[r] = lines[r * count + j];
        }
      }
    }
  }
}

void ReadTransposed(const TensorSource& source, const Matrix& matrix,
                    uint64_t row, uint64_t rows, std::span<float> out) {
  std::vector<float> tile;
  while (rows > 0) {
    const uint64_t block = row / matrix.source_cols;
    const uint64_t within = row % matrix.source_cols;
    const uint64_t count = std::min(rows, matrix.source_cols - within);
    const size_t floats = count * matrix.cols;
    ReadTransposedBlock(source, matrix,
                        matrix.first_row + block * matrix.block_stride, within,
                        count, tile, out.first(floats));
    out = out.subspan(floats);
    row += count;
    rows -= count;
  }
}

// The biases that make symmetric codes affine: exact in the type of the scales
// unless they leave its range.
void MakeBiases(const TensorInfo& tensor, std::span<const std::byte> scales,
                std::span<std::byte> biases, const std::string& where) {
  const float zero_code =
      static_cast<float>(1 << (tensor.storage.scheme.bits - 1));
  std::vector<float> values(scales.size() / DTypeBytes(tensor.dtype));
  ToFloat(tensor.dtype, scales.data(), values);
  for (float& value : values) value *= -zero_code;
  FromFloat(tensor.dtype, values, biases.data());
  std::vector<float> stored(values.size());
  ToFloat(tensor.dtype, biases.data(), stored);
  for (size_t i = 0; i < values.size(); ++i) {
    if (stored[i] == values[i]) continue;
    Fail(ErrorKind::kUnsupported,
         "{}: {}: found a scale of {} for {}, expected one that {} holds {} "
         "times over",
         where, tensor.name, values[i] / -zero_code,
         SchemeLabel(tensor.storage.scheme), DTypeName(tensor.dtype),
         zero_code);
  }
}

}  // namespace

void Checkpoint::ReadRows(const Matrix& matrix, uint64_t row,
                          std::span<float> out) const {
  const uint64_t rows = out.size() / matrix.cols;
  assert(rows * matrix.cols == out.size() && row + rows <= matrix.rows);
  const TensorInfo& tensor = model_.tensors[matrix.tensor];
  TensorSource source{file(tensor.file), tensor};
  const auto attach = [&](int64_t index, const TensorInfo*& info,
                          const File*& in) {
    if (index < 0) return;
    info = &model_.tensors[static_cast<size_t>(index)];
    in = &file(info->file);
  };
  attach(tensor.storage.scales, source.scale, source.scale_file);
  attach(tensor.storage.biases, source.bias, source.bias_file);
  if (const int64_t scale = model_.block_scales[matrix.tensor]; scale >= 0) {
    attach(scale, source.scale, source.scale_file);
    source.block = Fp8BlockSize(model_.config, path_.string());
  }
  if (matrix.transposed) {
    ReadTransposed(source, matrix, row, rows, out);
  } else {
    ReadBlocks(source, matrix, row, rows, out);
  }
}

void Checkpoint::ReadStoredRows(const Matrix& matrix, uint64_t row,
                                std::span<std::byte> out) const {
  assert(matrix.contiguous());
  ReadTensor(matrix.tensor,
             (matrix.first_row + row) * TensorOf(matrix).row_bytes(), out);
}

void Checkpoint::ReadStoredRows(const Matrix& matrix, uint64_t row,
                                const AffineOutput& out) const {
  const Storage& storage = TensorOf(matrix).storage;
  assert(storage.kind == Storage::Kind::kAffine && matrix.contiguous());
  ReadStoredRows(matrix, row, out.codes);
  const uint64_t scale_bytes = AffineScaleBytes(storage.scheme, matrix.cols);
  const uint64_t offset = (matrix.first_row + row) * scale_bytes;
  ReadTensor(static_cast<uint32_t>(storage.scales), offset, out.scales);
  if (storage.scheme.kind == SchemeKind::kInt) {
    MakeBiases(TensorOf(matrix), out.scales, out.biases, path_.string());
    return;
  }
  ReadTensor(static_cast<uint32_t>(storage.biases), offset, out.biases);
}

}  // namespace ram
