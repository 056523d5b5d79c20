// What the targets that store affine codes have in common.
#pragma once

#include "ram/target/target.h"

namespace ram {

class AffineTarget : public Target {
 public:
  OutputFormat format() const override { return OutputFormat::kSafetensors; }
  SchemeKind kind() const override { return SchemeKind::kAffine; }
  std::span<const Scheme> Schemes() const override;
  // Groups of 64 without a group.
  std::optional<Scheme> SchemeOf(int bits,
                                 std::optional<int> group_size) const override;
  // The largest legal group size not above the wanted one.
  Scheme Closest(const Unit& unit, const Scheme& wanted) const override;
  Encoder UniformEncoder() const override { return Encoder::kMinMax; }
  std::vector<OutputFileLayout> LayOutFiles(
      const TargetLayout& layout,
      std::span<const Scheme> schemes) const override;
  uint64_t FileBytes(const TargetLayout& layout,
                     std::span<const Scheme> schemes) const override;
};

}  // namespace ram
