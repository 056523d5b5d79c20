// How a model in GGUF stretches its rotary embedding, as config.json's
// rope_scaling says it.
#pragma once

#include "ram/base/json.h"
#include "ram/checkpoint/gguf_config.h"

namespace ram {

// Null for none. Linear and YaRN come from the metadata. Llama-3's scaling and
// LongRoPE are tables of factors in the file; Llama-3's parameters follow from
// its table when they are the published ones (low 1, high 4, 8192 positions),
// another table becomes a type that says so and that no forward pass knows.
// `dims`: how many of a head's dimensions are rotated.
Json GgufRopeScaling(const GgufFamily& family, const GgufMetadata& metadata,
                     double theta, uint64_t dims, const GgufTable& table);

}  // namespace ram
