// Examples put before a question, as lm-evaluation-harness puts them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ram/evaluation/choice_item.h"

namespace ram {

struct ShotOptions {
  uint64_t shots = 0;
  // Same: the first of the pool for every item (the harness's "first_n"
  // sampler), so that they are computed once. Per item: drawn from the pool
  // for one item after the other with Python's generator (its default
  // sampler, whose default seed is 1234).
  bool per_item = false;
  uint32_t seed = 1234;
};

// The prompt of every item: examples, each its context, a space and its right
// choice, and then the item's own context, a blank line between them. Throws
// kUsage when the pool is smaller than `shots`; `pool_source` names it.
std::vector<std::string> PromptsWithShots(std::span<const ChoiceItem> items,
                                          std::span<const ChoiceItem> pool,
                                          const ShotOptions& options,
                                          std::string_view pool_source);

}  // namespace ram
