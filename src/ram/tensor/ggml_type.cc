#include "ram/tensor/ggml_type.h"

#include <algorithm>
#include <array>
#include <cassert>

namespace ram {
namespace {

using enum GgmlType;

constexpr std::array<GgmlTypeFacts, 32> kGgmlTypeFacts = {{
    {kF32, "F32", 1, 4},
    {kF16, "F16", 1, 2},
    {kQ4_0, "Q4_0", 32, 18},
    {kQ4_1, "Q4_1", 32, 20},
    {kQ5_0, "Q5_0", 32, 22},
    {kQ5_1, "Q5_1", 32, 24},
    {kQ8_0, "Q8_0", 32, 34},
    {kQ2_K, "Q2_K", 256, 84},
    {kQ3_K, "Q3_K", 256, 110},
    {kQ4_K, "Q4_K", 256, 144},
    {kQ5_K, "Q5_K", 256, 176},
    {kQ6_K, "Q6_K", 256, 210},
    {kIQ2_XXS, "IQ2_XXS", 256, 66},
    {kIQ2_XS, "IQ2_XS", 256, 74},
    {kIQ3_XXS, "IQ3_XXS", 256, 98},
    {kIQ1_S, "IQ1_S", 256, 50},
    {kIQ4_NL, "IQ4_NL", 32, 18},
    {kIQ3_S, "IQ3_S", 256, 110},
    {kIQ2_S, "IQ2_S", 256, 82},
    {kIQ4_XS, "IQ4_XS", 256, 136},
    {kI8, "I8", 1, 1},
    {kI16, "I16", 1, 2},
    {kI32, "I32", 1, 4},
    {kI64, "I64", 1, 8},
    {kF64, "F64", 1, 8},
    {kIQ1_M, "IQ1_M", 256, 56},
    {kBF16, "BF16", 1, 2},
    {kTQ1_0, "TQ1_0", 256, 54},
    {kTQ2_0, "TQ2_0", 256, 66},
    {kMXFP4, "MXFP4", 32, 17},
    {kNVFP4, "NVFP4", 64, 36},
    {kQ1_0, "Q1_0", 128, 18},
}};

constexpr bool Holds(GgmlType type, uint32_t weights, uint32_t bytes) {
  for (const GgmlTypeFacts& facts : kGgmlTypeFacts) {
    if (facts.type != type) continue;
    return facts.block_weights == weights && facts.block_bytes == bytes;
  }
  return false;
}

// The parts of each block: docs/formats/gguf.md.
static_assert(Holds(kQ4_0, 32, 2 + 16));
static_assert(Holds(kQ4_1, 32, 2 + 2 + 16));
static_assert(Holds(kQ5_0, 32, 2 + 4 + 16));
static_assert(Holds(kQ5_1, 32, 2 + 2 + 4 + 16));
static_assert(Holds(kQ8_0, 32, 2 + 32));
static_assert(Holds(kIQ4_NL, 32, 2 + 16));
static_assert(Holds(kQ2_K, 256, 16 + 64 + 2 + 2));
static_assert(Holds(kQ3_K, 256, 32 + 64 + 12 + 2));
static_assert(Holds(kQ4_K, 256, 2 + 2 + 12 + 128));
static_assert(Holds(kQ5_K, 256, 2 + 2 + 12 + 32 + 128));
static_assert(Holds(kQ6_K, 256, 128 + 64 + 16 + 2));
static_assert(Holds(kIQ4_XS, 256, 2 + 2 + 4 + 128));

const GgmlTypeFacts* Find(GgmlType type) {
  const auto* const found =
      std::find_if(kGgmlTypeFacts.begin(), kGgmlTypeFacts.end(),
                   [&](const GgmlTypeFacts& f) { return f.type == type; });
  return found == kGgmlTypeFacts.end() ? nullptr : found;
}

}  // namespace

std::optional<GgmlType> ParseGgmlType(uint32_t id) {
  const auto type = static_cast<GgmlType>(id);
  return Find(type) ? std::optional(type) : std::nullopt;
}

std::optional<GgmlType> ParseGgmlType(std::string_view name) {
  for (const GgmlTypeFacts& facts : kGgmlTypeFacts) {
    if (facts.name == name) return facts.type;
  }
  return std::nullopt;
}

const GgmlTypeFacts& FactsOf(GgmlType type) {
  const GgmlTypeFacts* const facts = Find(type);
  assert(facts);
  return *facts;
}

}  // namespace ram
