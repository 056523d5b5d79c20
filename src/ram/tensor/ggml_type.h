// The element types of ggml tensors, as GGUF files number them: plain numbers,
// and blocks of weights that share scales. Sizes from ggml (ggml-common.h); its
// two types for activations (Q8_1, Q8_K) are never stored and not listed.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ram {

enum class GgmlType : uint32_t {
  kF32 = 0,
  kF16 = 1,
  kQ4_0 = 2,
  kQ4_1 = 3,
  kQ5_0 = 6,
  kQ5_1 = 7,
  kQ8_0 = 8,
  kQ2_K = 10,
  kQ3_K = 11,
  kQ4_K = 12,
  kQ5_K = 13,
  kQ6_K = 14,
  kIQ2_XXS = 16,
  kIQ2_XS = 17,
  kIQ3_XXS = 18,
  kIQ1_S = 19,
  kIQ4_NL = 20,
  kIQ3_S = 21,
  kIQ2_S = 22,
  kIQ4_XS = 23,
  kI8 = 24,
  kI16 = 25,
  kI32 = 26,
  kI64 = 27,
  kF64 = 28,
  kIQ1_M = 29,
  kBF16 = 30,
  kTQ1_0 = 34,
  kTQ2_0 = 35,
  kMXFP4 = 39,
  kNVFP4 = 40,
  kQ1_0 = 41,
};

// A block is consecutive weights of one row; rows are whole blocks.
struct GgmlTypeFacts {
  GgmlType type;
  std::string_view name;   // "Q4_K"
  uint32_t block_weights;  // 1 for plain numbers
  uint32_t block_bytes;
};

// nullopt for a number that ggml has not given, or has taken back.
std::optional<GgmlType> ParseGgmlType(uint32_t id);
// By GgmlTypeFacts::name.
std::optional<GgmlType> ParseGgmlType(std::string_view name);
const GgmlTypeFacts& FactsOf(GgmlType type);

}  // namespace ram
