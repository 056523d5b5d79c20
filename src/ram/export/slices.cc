#include "ram/export/slices.h"

#include <algorithm>
#include <tuple>

#include "ram/base/checked.h"

namespace ram {
namespace {

uint64_t RowsPerSlice(uint64_t cols, uint64_t head_rows) {
  const uint64_t rows =
      std::max<uint64_t>(1, kSliceWeights / std::max<uint64_t>(1, cols));
  if (head_rows == 0) return rows;
  return std::max(head_rows, rows / head_rows * head_rows);
}

}  // namespace

PlainShape ShapeOfPlain(const Model& model, const PlainTensor& plain) {
  const TensorInfo& tensor = model.tensors[plain.tensor];
  if (plain.change == PlainTensor::Change::kMoveAxis21) {
    return {tensor.shape[0], tensor.shape[1] * tensor.shape[2]};
  }
  return {tensor.elements(), 1};
}

SliceList::SliceList(const Model& model, const TargetLayout& layout) {
  for (uint32_t u = 0; u < layout.units.size(); ++u) {
    const Unit& unit = layout.units[u];
    uint64_t stacked_row = 0;
    uint32_t module = 0, in_module = 0;
    for (uint32_t member : unit.members) {
      if (!unit.modules.empty() && in_module == unit.modules[module].members) {
        ++module;
        in_module = 0;
        stacked_row = 0;
      }
      const Matrix& matrix = model.matrices[member];
      jobs_.push_back({0, matrix.rows, matrix.cols, stacked_row, u, member,
                       false, unit.head_rows, module});
      stacked_row += matrix.rows;
      ++in_module;
    }
  }
  for (uint32_t p = 0; p < layout.plain.size(); ++p) {
    const PlainShape shape = ShapeOfPlain(model, layout.plain[p]);
    jobs_.push_back(
        {0, shape.rows, shape.cols, 0, p, 0, true, layout.plain[p].head_rows});
  }
  const auto position = [&](const Job& job) {
    const uint32_t tensor = job.plain ? layout.plain[job.index].tensor
                                      : model.matrices[job.matrix].tensor;
    const uint64_t row = job.plain ? 0 : model.matrices[job.matrix].first_row;
    return std::tuple(tensor, row, job.plain, job.index, job.matrix);
  };
  std::sort(jobs_.begin(), jobs_.end(), [&](const Job& a, const Job& b) {
    return position(a) < position(b);
  });
  for (Job& job : jobs_) {
    const uint64_t step = RowsPerSlice(job.cols, job.head_rows);
    job.first_item = size_;
    size_ += CeilDiv(job.rows, step);
    max_weights_ = std::max(max_weights_, std::min(step, job.rows) * job.cols);
  }
}

Slice SliceList::operator[](uint64_t item) const {
  // The last job that begins at or before the item: empty ones begin earlier.
  const auto next = std::upper_bound(
      jobs_.begin(), jobs_.end(), item,
      [](uint64_t wanted, const Job& job) { return wanted < job.first_item; });
  const Job& job = *std::prev(next);
  const uint64_t step = RowsPerSlice(job.cols, job.head_rows);
  Slice slice;
  slice.plain = job.plain;
  slice.index = job.index;
  slice.matrix = job.matrix;
  slice.module = job.module;
  slice.row = (item - job.first_item) * step;
  slice.rows = std::min(step, job.rows - slice.row);
  slice.cols = job.cols;
  slice.stacked_row = job.stacked_row + slice.row;
  slice.last = slice.row + slice.rows == job.rows;
  return slice;
}

}  // namespace ram
