#include "ram/target/affine_target.h"

#include "ram/target/affine_files.h"
#include "ram/target/target_units.h"

namespace ram {

std::span<const Scheme> AffineTarget::Schemes() const {
  static const std::vector<Scheme> all = [] {
    std::vector<Scheme> schemes = LegalSchemes(kAffineGroups.back(), true);
    schemes.pop_back();  // 16 bits
    return schemes;
  }();
  return all;
}

std::optional<Scheme> AffineTarget::SchemeOf(
    int bits, std::optional<int> group_size) const {
  const Scheme scheme = Affine(bits, group_size.value_or(64));
  if (AffineSchemeIndex(scheme) < 0) return std::nullopt;
  return scheme;
}

Scheme AffineTarget::Closest(const Unit& unit, const Scheme& wanted) const {
  for (const Scheme& scheme : unit.legal) {  // descending group size
    if (scheme.bits == wanted.bits && scheme.group_size <= wanted.group_size) {
      return scheme;
    }
  }
  return kFloat16Scheme;
}

std::vector<OutputFileLayout> AffineTarget::LayOutFiles(
    const TargetLayout& layout, std::span<const Scheme> schemes) const {
  return LayOutAffineFiles(layout, schemes);
}

uint64_t AffineTarget::FileBytes(const TargetLayout& layout,
                                 std::span<const Scheme> schemes) const {
  return AffineFileBytes(layout, schemes);
}

}  // namespace ram
