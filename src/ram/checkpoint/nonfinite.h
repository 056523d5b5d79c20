// What is said about a weight that is NaN or infinite, wherever it is found.
#pragma once

#include <cstdint>

#include "ram/checkpoint/checkpoint.h"

namespace ram {

// The flat index within the stored tensor of weight `index` of the matrix.
uint64_t StoredIndex(const Matrix& matrix, uint64_t index);

// Throws kCorrupt "FILE: TENSOR: found NaN at index I, expected finite weights
// (...)" for weight `index` of the matrix, counted along its rows.
[[noreturn]] void FailNonfinite(const Checkpoint& checkpoint,
                                const Matrix& matrix, uint64_t index,
                                float value);

// The same check of every tensor that is not a matrix: norms, biases,
// convolutions. Reads them all; they are small.
void CheckPlainFinite(const Checkpoint& checkpoint);

}  // namespace ram
