// Slices of a checkpoint, as bytes and as floats, in buffers that are reused.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ram/checkpoint/checkpoint.h"
#include "ram/export/slices.h"

namespace ram {

// One per worker.
class SliceReader {
 public:
  SliceReader(const Checkpoint& checkpoint, const TargetLayout& layout,
              uint64_t max_weights);

  // The weights of a unit's slice. Valid until the next call.
  std::span<const float> ReadWeights(const Slice& slice);
  // The same as the 16-bit floats that are stored when the unit is left at 16
  // bits: the source's own bits where it has that type. Call after
  // ReadWeights.
  std::span<const std::byte> Kept(const Slice& slice);
  // A plain tensor's slice as it is stored: cast and changed.
  std::span<const std::byte> ReadPlain(const Slice& slice);

  // Where the source's bytes of this slice end, and how many they are; the
  // end is 0 when they are not consecutive and more will be read.
  uint64_t SourceEnd(const Slice& slice) const;
  uint64_t SourceBytes(const Slice& slice) const;

 private:
  bool Direct(const Matrix& matrix) const;
  void Cast(DType from, const PlainTensor& plain, uint64_t elements);
  void MoveAxis21(const Slice& slice, const TensorInfo& tensor,
                  uint64_t element_bytes);

  const Checkpoint& checkpoint_;
  const TargetLayout& layout_;
  std::vector<std::byte> raw_;
  std::vector<std::byte> cast_;
  std::vector<float> floats_;
};

}  // namespace ram
