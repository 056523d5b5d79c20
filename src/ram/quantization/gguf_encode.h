// Weights into ggml's blocks (layouts: gguf_blocks.h), by encoders of our own:
// several starts, least squares, and every code, scale and min chosen against
// what will be decoded, so that the plain rounding to nearest is never better.
// See docs/gguf.md, "Encoders".
//
// What an encoder minimises is a weighed squared error. Without column weights
// it is the one that ggml's own search weighs by (ggml-quants.c):
//   F16, BF16, Q8_0, Q4_0, Q4_1, Q5_0, Q5_1   e^2
//   Q2_K                                      |w| e^2
//   Q3_K, Q6_K, IQ4_NL, IQ4_XS                w^2 e^2
//   Q4_K, Q5_K                                (rms of the 32 + |w|) e^2
// With them, each weight counts the weight of its column times
// sqrt(power + w^2) where power is the mean w^2 of the block (twice that for
// Q3_K, Q4_K, Q5_K, IQ4_NL and IQ4_XS); for Q6_K the weight of its column.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "ram/tensor/ggml_type.h"

namespace ram {

enum class BlockEffort : uint8_t {
  kFast,  // fewer starts
  kBest,
};

// F16, BF16 and the types above.
bool CanEncodeBlocks(GgmlType type);

// weights: [rows, cols], finite; cols is a multiple of the type's block.
// column_weights: [cols], finite, not negative; or empty. out: the blocks, no
// alignment needed. Returns the plain squared error.
//
// Every block depends on its weights alone: the same bytes for any SIMD target
// and however the rows are divided among calls. Values that no block can hold
// (a scale above 65504) become the largest that one can, never an infinity.
double EncodeBlocks(GgmlType type, BlockEffort effort,
                    std::span<const float> weights, uint64_t cols,
                    std::span<const float> column_weights, std::byte* out);

}  // namespace ram
