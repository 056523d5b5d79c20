// config.json with the precision of every module, as mlx-lm reads it.
#pragma once

#include <span>
#include <string>

#include "ram/base/json.h"
#include "ram/target/target.h"

namespace ram {

// {"group_size", "bits", "mode", "<unit>": {...} or false}: the most frequent
// scheme, then every unit that differs from it. Null when all units are left
// at 16 bits.
Json QuantizationConfig(const TargetLayout& layout,
                        std::span<const Scheme> schemes);

// The source's config.json without its own quantization, and with the types
// the output is stored in.
Json BaseConfig(const Model& model);

}  // namespace ram
