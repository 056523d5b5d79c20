// Safetensors shards of affine-quantised modules, as mlx-lm writes them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "ram/target/target.h"

namespace ram {

// The largest shard, header included, unless a single tensor is larger.
inline constexpr uint64_t kMaxShardBytes = uint64_t{5} << 30;

// Units and plain tensors in the order of their source tensors. A unit's
// weight, scales and biases stay in one shard. One shard is
// "model.safetensors", several "model-00001-of-00002.safetensors".
std::vector<OutputFileLayout> LayOutAffineFiles(
    const TargetLayout& layout, std::span<const Scheme> schemes,
    uint64_t max_shard_bytes = kMaxShardBytes);

// The bytes of those files together; a hundred times faster.
uint64_t AffineFileBytes(const TargetLayout& layout,
                         std::span<const Scheme> schemes,
                         uint64_t max_shard_bytes = kMaxShardBytes);

}  // namespace ram
