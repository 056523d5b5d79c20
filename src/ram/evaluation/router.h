// Sends tokens to experts.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ram/evaluation/transformer_config.h"

namespace ram {

struct ExpertChoice {
  uint32_t expert = 0;
  float weight = 0;
};

// The experts of one token from its logits [experts], best first, into
// `choices` [per_token]. Softmax: the most likely ones, as in Mixtral and
// Qwen3-MoE. Sigmoid: DeepSeek-V3 (arXiv:2412.19437, section 2.1.2): `bias`
// [experts] (or none) takes part in the choice, not in the weights, and only
// the groups whose two best experts sum highest are chosen from. Equal scores:
// the lower number first.
void ChooseExperts(const RouterConfig& config, std::span<const float> logits,
                   std::span<const float> bias,
                   std::span<ExpertChoice> choices);

}  // namespace ram
