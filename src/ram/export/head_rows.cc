#include "ram/export/head_rows.h"

#include <cstring>

namespace ram {
namespace {

std::span<const std::byte> Reorder(bool to_pairs, uint64_t head_rows,
                                   uint64_t row_bytes,
                                   std::span<const std::byte> bytes,
                                   std::vector<std::byte>& buffer) {
  if (head_rows == 0) return bytes;
  if (buffer.size() < bytes.size()) buffer.resize(bytes.size());
  const uint64_t half = head_rows / 2;
  const uint64_t rows = bytes.size() / row_bytes;
  for (uint64_t row = 0; row < rows; ++row) {
    const uint64_t in_head = row % head_rows;
    const uint64_t paired =
        row - in_head + 2 * (in_head % half) + in_head / half;
    const uint64_t from = to_pairs ? row : paired;
    const uint64_t to = to_pairs ? paired : row;
    std::memcpy(buffer.data() + to * row_bytes, bytes.data() + from * row_bytes,
                row_bytes);
  }
  return std::span(buffer).first(bytes.size());
}

}  // namespace

std::span<const std::byte> InPairs(uint64_t head_rows, uint64_t row_bytes,
                                   std::span<const std::byte> bytes,
                                   std::vector<std::byte>& buffer) {
  return Reorder(true, head_rows, row_bytes, bytes, buffer);
}

std::span<const std::byte> OutOfPairs(uint64_t head_rows, uint64_t row_bytes,
                                      std::span<const std::byte> bytes,
                                      std::vector<std::byte>& buffer) {
  return Reorder(false, head_rows, row_bytes, bytes, buffer);
}

}  // namespace ram
