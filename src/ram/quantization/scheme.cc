#include "ram/quantization/scheme.h"

namespace ram {

int AffineSchemeIndex(const Scheme& scheme) {
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    if (AffineSchemeAt(i) == scheme) return i;
  }
  return -1;
}

std::string_view SchemeKindName(SchemeKind kind) {
  return kind == SchemeKind::kAffine ? "affine" : "float";
}

std::optional<SchemeKind> ParseSchemeKind(std::string_view name) {
  for (const SchemeKind kind : {SchemeKind::kAffine, SchemeKind::kFloat}) {
    if (name == SchemeKindName(kind)) return kind;
  }
  return std::nullopt;
}

std::string_view EncoderName(Encoder encoder) {
  return encoder == Encoder::kMinMax ? "minmax" : "search";
}

std::optional<Encoder> ParseEncoder(std::string_view name) {
  for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
    if (name == EncoderName(encoder)) return encoder;
  }
  return std::nullopt;
}

std::string SchemeLabel(const Scheme& scheme) {
  std::string label = std::to_string(scheme.bits) + "-bit";
  if (scheme.kind == SchemeKind::kAffine) {
    label += " g" + std::to_string(scheme.group_size);
  }
  return label;
}

bool SchemeFits(const Scheme& scheme, uint64_t cols) {
  if (scheme.kind == SchemeKind::kFloat) return scheme == kFloat16Scheme;
  return AffineSchemeIndex(scheme) >= 0 && cols > 0 &&
         cols % static_cast<uint64_t>(scheme.group_size) == 0;
}

uint64_t SchemeBytes(const Scheme& scheme, uint64_t rows, uint64_t cols) {
  const uint64_t weights = rows * cols;
  if (scheme.kind == SchemeKind::kFloat) return 2 * weights;
  // 16-bit scale and 16-bit bias a group; a group of 32 or more weights
  // fills whole bytes at any width.
  const uint64_t groups = weights / static_cast<uint64_t>(scheme.group_size);
  return groups * static_cast<uint64_t>(scheme.group_size * scheme.bits / 8) +
         4 * groups;
}

}  // namespace ram
