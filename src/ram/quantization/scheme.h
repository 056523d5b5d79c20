// How one matrix is stored: which codec, how many bits, which group size.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ram {

enum class SchemeKind : uint8_t {
  kAffine,  // MLX affine: codes of `bits`, one 16-bit scale and bias a group
  kFloat,   // left as 16-bit floats; bits 16, group_size 0
};

struct Scheme {
  SchemeKind kind = SchemeKind::kFloat;
  int bits = 16;
  int group_size = 0;

  auto operator<=>(const Scheme&) const = default;
};

inline constexpr Scheme kFloat16Scheme{};
constexpr Scheme Affine(int bits, int group_size) {
  return {SchemeKind::kAffine, bits, group_size};
}

inline constexpr std::array<int, 6> kAffineBits = {2, 3, 4, 5, 6, 8};
inline constexpr std::array<int, 3> kAffineGroups = {32, 64, 128};
// Every affine scheme, bits first: (2,32) (2,64) (2,128) (3,32) ... (8,128).
inline constexpr int kAffineSchemeCount = 18;
constexpr Scheme AffineSchemeAt(int index) {
  return Affine(kAffineBits[static_cast<size_t>(index / 3)],
                kAffineGroups[static_cast<size_t>(index % 3)]);
}
// The index of an affine scheme in that list; -1 for any other scheme.
int AffineSchemeIndex(const Scheme& scheme);

// How codes are chosen.
enum class Encoder : uint8_t {
  kMinMax,  // MLX's own rounding, byte for byte
  kSearch,  // ours: several starts, codes rounded against the stored scale
};

// "affine", "float".
std::string_view SchemeKindName(SchemeKind kind);
std::optional<SchemeKind> ParseSchemeKind(std::string_view name);
// "minmax", "search".
std::string_view EncoderName(Encoder encoder);
std::optional<Encoder> ParseEncoder(std::string_view name);
// "4-bit g64", "16-bit".
std::string SchemeLabel(const Scheme& scheme);

// Whether rows of `cols` weights can be stored so.
bool SchemeFits(const Scheme& scheme, uint64_t cols);
// Bytes of rows x cols weights, scales and biases included.
uint64_t SchemeBytes(const Scheme& scheme, uint64_t rows, uint64_t cols);

}  // namespace ram
