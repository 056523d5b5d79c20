// Weights that are already stored as codes: which scheme each module has, by
// config.json's "quantization" as mlx-lm reads it (`ram compress` writes the
// same for native), checked against the shapes of its tensors.
//
//   "quantization": {"bits", "group_size", "mode": "affine",
//                    "<module>": {...} or true or false}
//
// A listed module has what is listed; an unlisted one is quantized, with the
// global setting, exactly where MODULE.scales exists.
#pragma once

#include <string_view>

#include "ram/checkpoint/block_scales.h"
#include "ram/checkpoint/model.h"

namespace ram {

// Gives MODULE.weight of every quantized module its storage, logical shape and
// dtype, and marks MODULE.scales and .biases in model.uses. Tensors that come
// with a storage (from a manifest, or from PairPackedInts) keep it. `table`
// holds the tensors' names. Throws kUnsupported for codes that cannot be read
// (GPTQ, AWQ, MLX's modes other than affine); kCorrupt
// "DIR/config.json: quantization.MODULE: found ..., expected ..." where the
// shapes contradict it, and where one of the three tensors is missing.
void PairStoredCodes(const TensorTable& table, std::string_view source,
                     Model& model);

}  // namespace ram
