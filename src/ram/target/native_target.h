// Our own format: every matrix and every expert has a precision of its own
// (docs/formats/native.md). Nothing is dropped but what no runtime ever reads.
#pragma once

#include "ram/target/affine_target.h"

namespace ram {

class NativeTarget final : public AffineTarget {
 public:
  std::string_view name() const override { return "native"; }
  TargetLayout Describe(const Model& model) const override;
  std::string ConfigText(const Model& model, const TargetLayout& layout,
                         std::span<const Scheme> schemes) const override;
};

}  // namespace ram
