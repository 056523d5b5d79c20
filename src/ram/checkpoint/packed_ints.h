// Weights that compressed-tensors stored as packed integers
// (quantization/packed_int.h), as config.json's quantization_config describes
// them:
//
//   {"quant_method": "compressed-tensors", "format": "pack-quantized",
//    "config_groups": {NAME: {"targets": [...], "weights": {"num_bits", "type":
//      "int", "symmetric": true, "strategy": "group", "group_size"}}},
//    "ignore": [...]}
//
// A module is packed exactly where MODULE.weight_packed exists, beside
// MODULE.weight_scale and MODULE.weight_shape. Its scheme is that of the group
// that names it among its targets, else of the one group whose bits and group
// size fit its shapes: targets like "Linear" or "re:..." need no matching.
#pragma once

#include <string_view>

#include "ram/checkpoint/block_scales.h"
#include "ram/checkpoint/model.h"

namespace ram {

// Turns MODULE.weight_packed into MODULE.weight of its logical shape and its
// scales' dtype, stored as codes of a kInt scheme, and marks what belongs to it
// in model.uses. Tensors that come with such a storage (from a manifest) keep
// it. Returns whether a name changed: `table` is stale then. Does nothing where
// config.json has no such quantization_config.
//
// Throws kUnsupported "DIR/config.json: quantization_config...: found ...,
// expected ..." for other formats, float or asymmetric weights, other
// strategies than groups of 32 or 128, activations, and where more than one
// group fits; kCorrupt where shapes contradict every group, and where a tensor
// is missing.
bool PairPackedInts(const TensorTable& table, std::string_view source,
                    Model& model);

// Whether config.json says that compressed-tensors made the weights.
bool IsCompressedTensors(const Json& config);

}  // namespace ram
