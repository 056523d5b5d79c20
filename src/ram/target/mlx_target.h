// The runtime mlx-lm: https://github.com/ml-explore/mlx-lm, version 0.32.
// Units are its quantisable modules (Linear, Embedding, SwitchLinear,
// MultiLinear); names are those its own `sanitize` produces.
#pragma once

#include "ram/target/affine_target.h"

namespace ram {

class MlxTarget final : public AffineTarget {
 public:
  std::string_view name() const override { return "mlx"; }
  TargetLayout Describe(const Model& model) const override;
  std::string ConfigText(const Model& model, const TargetLayout& layout,
                         std::span<const Scheme> schemes) const override;
};

}  // namespace ram
