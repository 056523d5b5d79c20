// SIMD kernels of the integer codec, beside those of the affine codec whose
// tiles they work on: a group's bias is -2^(bits-1) times its scale.
#pragma once

#include "ram/quantization/affine_kernels.h"

namespace ram {

// compressed-tensors' own choice. scale_dtype is F16 or BF16.
void ChooseIntMinMax(const Scheme& scheme, DType scale_dtype,
                     const WeightTile& tile, GroupTile& groups,
                     CodeTile& codes);
// The scale with the least weighed squared error that the search meets, and
// its bias; `search` was prepared for the group size of `scheme`.
void SearchIntScales(const Scheme& scheme, DType scale_dtype,
                     const WeightTile& tile, const SearchTile& search,
                     GroupTile& groups);

}  // namespace ram
