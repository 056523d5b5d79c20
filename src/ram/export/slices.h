// The work of writing or checking an output, cut into slices of about
// kSliceWeights, in the order of the input files. The cut depends on nothing
// but the model, so sums over slices in order never change.
#pragma once

#include <cstdint>
#include <vector>

#include "ram/checkpoint/model.h"
#include "ram/target/target.h"

namespace ram {

inline constexpr uint64_t kSliceWeights = uint64_t{512} << 10;

// Rows [row, row + rows) of one member of a unit, or of a plain tensor.
struct Slice {
  bool plain = false;
  uint32_t index = 0;   // of the unit, or of the plain tensor
  uint32_t matrix = 0;  // Model::matrices; units only
  uint64_t row = 0;     // of the member
  uint64_t rows = 0;
  uint64_t cols = 0;
  uint32_t module = 0;       // of the unit
  uint64_t stacked_row = 0;  // of the module, where `row` is stored
  bool last = false;         // of its member or plain tensor

  uint64_t weights() const { return rows * cols; }
};

// A plain tensor as rows that can be written independently: single elements,
// or whole [a, b] blocks where axes 2 and 1 change places.
struct PlainShape {
  uint64_t rows = 0;
  uint64_t cols = 0;
};
PlainShape ShapeOfPlain(const Model& model, const PlainTensor& plain);

class SliceList {
 public:
  SliceList(const Model& model, const TargetLayout& layout);

  uint64_t size() const { return size_; }
  Slice operator[](uint64_t item) const;
  // Of the largest slice.
  uint64_t max_weights() const { return max_weights_; }

 private:
  // One member of a unit, or one plain tensor.
  struct Job {
    uint64_t first_item = 0;
    uint64_t rows = 0;
    uint64_t cols = 0;
    uint64_t stacked_row = 0;
    uint32_t index = 0;
    uint32_t matrix = 0;
    bool plain = false;
    uint64_t head_rows = 0;  // a slice holds whole heads
    uint32_t module = 0;
  };
  std::vector<Job> jobs_;
  uint64_t size_ = 0;
  uint64_t max_weights_ = 0;
};

}  // namespace ram
