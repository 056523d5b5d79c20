// How a model's matrices become the units of target vllm.
#pragma once

#include "ram/target/target.h"

namespace ram {

// Units, plain and dropped tensors; a unit's `legal` holds those of `schemes`
// that fit. Throws as VllmTarget::Describe.
TargetLayout DescribeForVllm(const Model& model,
                             std::span<const Scheme> schemes);

// Whether the unit is the routed experts of a layer.
bool HoldsExperts(const Unit& unit);

}  // namespace ram
