// What weights would lose in every type of ggml's blocks, measured with the
// encoder that writes them.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ram/quantization/scheme.h"

namespace ram {

// Sums of squared errors, by kBlockTypes; NaN where not measured.
using BlockErrors = std::array<double, kBlockTypes.size()>;

// Whether the type can win a place on a hull of (bytes, error) for rows of
// `cols`: the types of 256 beat those of 32 at the same bytes, and mixing two
// of them reaches what lies between.
bool IsWorthMeasuring(GgmlType type, uint64_t cols);

// weights: [rows, cols], finite. `every`: whatever fits, worth it or not.
// `buffer` is reused between calls.
void MeasureBlockErrors(std::span<const float> weights, uint64_t cols,
                        bool fast, bool every, std::vector<std::byte>& buffer,
                        BlockErrors& errors);

}  // namespace ram
