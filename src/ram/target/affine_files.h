// Safetensors shards of affine-quantised modules, as mlx-lm writes them.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ram/target/safetensors_files.h"

namespace ram {

// LayOutSafetensorsFiles of MODULE.weight, .scales and .biases.
std::vector<OutputFileLayout> LayOutAffineFiles(
    const TargetLayout& layout, std::span<const Scheme> schemes,
    uint64_t max_shard_bytes = kMaxShardBytes);

// The bytes of those files together; a hundred times faster.
uint64_t AffineFileBytes(const TargetLayout& layout,
                         std::span<const Scheme> schemes,
                         uint64_t max_shard_bytes = kMaxShardBytes);

}  // namespace ram
