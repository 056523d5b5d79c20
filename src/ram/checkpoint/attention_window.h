// How far back the attention of a layer looks, as each family's own code reads
// it from config.json.
#pragma once

#include <cstdint>

#include "ram/base/json.h"
#include "ram/checkpoint/model_config.h"

namespace ram {

// Keys that a query sees, itself included; 0: all. `read` reads `config`.
// Throws kCorrupt where config.json has a value of the wrong type.
uint64_t AttentionWindow(const Json& config, const ModelConfig& read,
                         uint64_t layer);

}  // namespace ram
