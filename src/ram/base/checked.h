// Arithmetic on sizes that come from files: unsigned, 64 bits, no wrap-around.
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace ram {

inline std::optional<uint64_t> CheckedAdd(uint64_t a, uint64_t b) {
  uint64_t sum;
  if (__builtin_add_overflow(a, b, &sum)) return std::nullopt;
  return sum;
}

inline std::optional<uint64_t> CheckedMul(uint64_t a, uint64_t b) {
  uint64_t product;
  if (__builtin_mul_overflow(a, b, &product)) return std::nullopt;
  return product;
}

// The product of all factors; 1 for none.
inline std::optional<uint64_t> CheckedProduct(
    std::span<const uint64_t> factors) {
  std::optional<uint64_t> product = 1;
  for (uint64_t factor : factors) {
    product = CheckedMul(*product, factor);
    if (!product) return std::nullopt;
  }
  return product;
}

inline uint64_t CeilDiv(uint64_t n, uint64_t d) { return n / d + (n % d != 0); }

inline uint64_t RoundUp(uint64_t n, uint64_t multiple) {
  return CeilDiv(n, multiple) * multiple;
}

}  // namespace ram
