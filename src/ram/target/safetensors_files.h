// Safetensors shards of a target's modules and plain tensors.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ram/target/target.h"

namespace ram {

// The largest shard, header included, unless a single tensor is larger.
inline constexpr uint64_t kMaxShardBytes = uint64_t{5} << 30;

// A tensor that a module is stored as: of the module's shape but for the last
// dimension, or, if it is that shape itself, of two numbers.
struct ModuleTensor {
  std::string_view suffix;  // ".weight"
  StoredTensor::Kind kind = StoredTensor::Kind::kWeight;
  DType dtype = DType::kBF16;
  uint64_t last = 0;
};

class ModuleTensors {
 public:
  void Add(const ModuleTensor& tensor) { tensors_[count_++] = tensor; }
  const ModuleTensor* begin() const { return tensors_.data(); }
  const ModuleTensor* end() const { return tensors_.data() + count_; }

 private:
  std::array<ModuleTensor, 3> tensors_;
  size_t count_ = 0;
};

// How a runtime wants its files.
struct SafetensorsStyle {
  std::string_view format;  // of the header's metadata: "mlx", "pt"
  // What a module of rows of `cols` is stored as at this scheme.
  ModuleTensors (*tensors)(const Unit& unit, uint64_t cols,
                           const Scheme& scheme);
};

// Modules and plain tensors in the order of their source tensors. The tensors
// of a module stay in one shard. One shard is "model.safetensors", several
// "model-00001-of-00002.safetensors".
std::vector<OutputFileLayout> LayOutSafetensorsFiles(
    const SafetensorsStyle& style, const TargetLayout& layout,
    std::span<const Scheme> schemes, uint64_t max_shard_bytes = kMaxShardBytes);

// The bytes of those files together; a hundred times faster.
uint64_t SafetensorsFileBytes(const SafetensorsStyle& style,
                              const TargetLayout& layout,
                              std::span<const Scheme> schemes,
                              uint64_t max_shard_bytes = kMaxShardBytes);

}  // namespace ram
