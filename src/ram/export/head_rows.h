// The order in which llama.cpp keeps the rows of a head that it rotates in
// pairs: row i + j * head_rows / 2 of each head lies at 2 * i + j.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace ram {

// Whole heads of rows of `row_bytes`; `bytes` and `buffer` may not overlap.
// With head_rows 0 these give `bytes` back.
std::span<const std::byte> InPairs(uint64_t head_rows, uint64_t row_bytes,
                                   std::span<const std::byte> bytes,
                                   std::vector<std::byte>& buffer);
// The inverse.
std::span<const std::byte> OutOfPairs(uint64_t head_rows, uint64_t row_bytes,
                                      std::span<const std::byte> bytes,
                                      std::vector<std::byte>& buffer);

}  // namespace ram
