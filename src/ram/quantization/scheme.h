// How one matrix is stored: which codec, how many bits, which group size.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "ram/tensor/ggml_type.h"

namespace ram {

enum class SchemeKind : uint8_t {
  kAffine,  // MLX affine: codes of `bits`, one 16-bit scale and bias a group
  kFloat,   // left as 16-bit floats; bits 16, group_size 0
  kBlocks,  // ggml's blocks of `type`; bits of a code, weights of a block
  kInt,     // signed codes of `bits`, one 16-bit scale a group
};

struct Scheme {
  SchemeKind kind = SchemeKind::kFloat;
  int bits = 16;
  int group_size = 0;
  GgmlType type = GgmlType::kF32;  // of kBlocks alone

  auto operator<=>(const Scheme&) const = default;
};

inline constexpr Scheme kFloat16Scheme{};
constexpr Scheme Affine(int bits, int group_size) {
  return {SchemeKind::kAffine, bits, group_size};
}
constexpr Scheme SignedInt(int bits, int group_size) {
  return {SchemeKind::kInt, bits, group_size};
}
// `type` is one of kBlockTypes.
Scheme Blocks(GgmlType type);
// One of kBlockTypes by its name, "Q4_K" or "q4_k".
std::optional<GgmlType> ParseBlockType(std::string_view name);

inline constexpr std::array<int, 6> kAffineBits = {2, 3, 4, 5, 6, 8};
inline constexpr std::array<int, 3> kAffineGroups = {32, 64, 128};
inline constexpr std::array<int, 2> kIntGroups = {32, 128};
// By bits of a code, then by bytes of a weight.
inline constexpr std::array<GgmlType, 12> kBlockTypes = {
    GgmlType::kQ2_K, GgmlType::kQ3_K, GgmlType::kIQ4_XS, GgmlType::kIQ4_NL,
    GgmlType::kQ4_0, GgmlType::kQ4_K, GgmlType::kQ4_1,   GgmlType::kQ5_0,
    GgmlType::kQ5_K, GgmlType::kQ5_1, GgmlType::kQ6_K,   GgmlType::kQ8_0};
// Every affine scheme, bits first: (2,32) (2,64) (2,128) (3,32) ... (8,128).
inline constexpr int kAffineSchemeCount = 18;
constexpr Scheme AffineSchemeAt(int index) {
  return Affine(kAffineBits[static_cast<size_t>(index / 3)],
                kAffineGroups[static_cast<size_t>(index % 3)]);
}
// The index of an affine scheme in that list; -1 for any other scheme.
int AffineSchemeIndex(const Scheme& scheme);

// Every scheme but 16-bit floats: the affine ones as above, the block types,
// the signed integers (2,32) (2,128) (3,32) ... (8,128).
inline constexpr int kSchemeCount = 18 + 12 + 12;
Scheme SchemeAt(int index);
// -1 for 16-bit floats and for what is no scheme at all.
int SchemeIndex(const Scheme& scheme);

// How codes are chosen.
enum class Encoder : uint8_t {
  kMinMax,  // the runtime's own rounding, byte for byte; not of blocks
  kSearch,  // ours: several starts, codes rounded against the stored scale
  kFast,    // ours with fewer starts; of blocks alone
};
inline constexpr size_t kEncoderCount = 3;
bool EncoderFits(Encoder encoder, SchemeKind kind);

// "affine", "float", "kquant", "int".
std::string_view SchemeKindName(SchemeKind kind);
std::optional<SchemeKind> ParseSchemeKind(std::string_view name);
// "minmax", "search", "fast".
std::string_view EncoderName(Encoder encoder);
std::optional<Encoder> ParseEncoder(std::string_view name);
// "4-bit g64", "16-bit", "Q4_K", "int4 g128".
std::string SchemeLabel(const Scheme& scheme);

// Whether rows of `cols` weights can be stored so.
bool SchemeFits(const Scheme& scheme, uint64_t cols);
// Bytes of rows x cols weights, scales and biases included.
uint64_t SchemeBytes(const Scheme& scheme, uint64_t rows, uint64_t cols);

}  // namespace ram
