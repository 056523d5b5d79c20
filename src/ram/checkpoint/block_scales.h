// FP8 weights with one scale per block, as DeepSeek-V3 introduced them
// (arXiv:2412.19437, section 3.3) and transformers' finegrained_fp8 stores
// them: weight = e4m3 * weight_scale_inv[row / block rows][col / block cols],
// blocks at the edges cut off.
#pragma once

#include <cstdint>
#include <string_view>
#include <unordered_map>

#include "ram/checkpoint/model.h"

namespace ram {

// Names of Model::tensors and their indices.
using TensorTable = std::unordered_map<std::string_view, uint32_t>;

struct BlockSize {
  uint64_t rows = 128;
  uint64_t cols = 128;
};

// quantization_config.weight_block_size; 128 x 128 when not given. null there
// means one scale per tensor: both are then the largest number. Throws
// kCorrupt when it is anything else.
BlockSize Fp8BlockSize(const Json& config, std::string_view source);

// Fills model.block_scales and marks the scales in model.uses. Throws kCorrupt
// when scales are missing, misshapen or beside something that is not FP8.
void PairBlockScales(const TensorTable& table, std::string_view source,
                     Model& model);

}  // namespace ram
