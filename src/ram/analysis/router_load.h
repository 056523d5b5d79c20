// Which experts a router would choose, without any text: tokens are drawn from
// what the weights alone say about a router's input. After its norm, channel j
// of the input is gamma_j x sqrt(h_j) x a standard normal number, where h_j is
// the second moment of the embedding's column j, scaled to a mean of 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ram/checkpoint/checkpoint.h"

namespace ram {

inline constexpr size_t kSimulatedTokens = 4096;

struct RouterRule {
  size_t per_token = 0;  // experts chosen for a token
  bool sigmoid = false;  // else softmax; the order is the same without bias
  std::vector<float> bias = {};  // [experts] added to the scores; or none
  // Only the experts of the best `kept_groups` of `groups` may be chosen.
  size_t groups = 1;
  size_t kept_groups = 1;
};

// Share of the tokens that each expert is chosen for [experts]; the sum is
// per_token. `weights` is [experts, inputs], `input_rms` [inputs]. The same
// bits for any thread count. Weights are finite; per_token is 1 to experts,
// groups divide the experts evenly.
std::vector<float> SimulateRouterLoad(std::span<const float> weights,
                                      std::span<const float> input_rms,
                                      const RouterRule& rule, uint64_t seed,
                                      std::string_view name);

// The same of a router of the checkpoint, with what its config.json says. Empty
// where that does not say how many experts a token gets, or where shapes do not
// fit. `embedding` are the column second moments of embed_tokens; without, all
// channels count alike.
std::vector<float> RouterLoadOf(const Checkpoint& checkpoint,
                                const Matrix& router,
                                std::span<const float> embedding,
                                uint64_t seed);

}  // namespace ram
