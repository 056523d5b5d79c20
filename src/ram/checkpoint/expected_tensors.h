// The tensors a checkpoint of a known family holds, from its config.json
// alone: what the bench generator writes and the tests count.
#pragma once

#include <vector>

#include "ram/base/json.h"
#include "ram/checkpoint/model.h"

namespace ram {

// In the order embedding, layers, final norm, head, extra layers; experts one
// by one. `file` is empty and `offset` 0; the dtype is config's "torch_dtype"
// or "dtype" (BF16 when missing). Throws kUnsupported for an unknown
// architecture or dtype, kCorrupt for a config that makes no model.
std::vector<TensorInfo> ExpectedTensors(const Json& config);

}  // namespace ram
