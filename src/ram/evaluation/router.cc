#include "ram/evaluation/router.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace ram {
namespace {

// The indices of the `count` largest, in descending order.
std::vector<uint32_t> Largest(std::span<const float> values, uint64_t count) {
  std::vector<uint32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0u);
  std::partial_sort(
      order.begin(), order.begin() + static_cast<std::ptrdiff_t>(count),
      order.end(), [&](uint32_t a, uint32_t b) {
        return values[a] > values[b] || (values[a] == values[b] && a < b);
      });
  order.resize(count);
  return order;
}

std::vector<float> Softmax(std::span<const float> logits) {
  const float top = *std::max_element(logits.begin(), logits.end());
  std::vector<float> scores(logits.size());
  float sum = 0;
  for (size_t i = 0; i < logits.size(); ++i) {
    scores[i] = std::exp(logits[i] - top);
    sum += scores[i];
  }
  for (float& score : scores) score /= sum;
  return scores;
}

std::vector<float> Sigmoid(std::span<const float> logits) {
  std::vector<float> scores(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    scores[i] = 1.0f / (1.0f + std::exp(-logits[i]));
  }
  return scores;
}

// Leaves the experts of the best groups; the others become -infinity.
void KeepGroups(const RouterConfig& config, std::vector<float>& scores) {
  const uint64_t size = config.experts / config.groups;
  std::vector<float> sums(config.groups);
  for (uint64_t group = 0; group < config.groups; ++group) {
    const std::span<const float> members(scores.data() + group * size, size);
    for (const uint32_t best : Largest(members, std::min<uint64_t>(2, size))) {
      sums[group] += members[best];
    }
  }
  std::vector<bool> kept(config.groups, false);
  for (const uint32_t group : Largest(sums, config.kept_groups)) {
    kept[group] = true;
  }
  for (uint64_t expert = 0; expert < config.experts; ++expert) {
    if (!kept[expert / size]) {
      scores[expert] = -std::numeric_limits<float>::infinity();
    }
  }
}

}  // namespace

void ChooseExperts(const RouterConfig& config, std::span<const float> logits,
                   std::span<const float> bias,
                   std::span<ExpertChoice> choices) {
  const std::vector<float> scores =
      config.sigmoid ? Sigmoid(logits) : Softmax(logits);
  std::vector<float> chosen_by = scores;
  for (size_t i = 0; i < bias.size(); ++i) chosen_by[i] += bias[i];
  if (config.groups > 1) KeepGroups(config, chosen_by);
  const std::vector<uint32_t> best = Largest(chosen_by, choices.size());
  float sum = 0;
  for (const uint32_t expert : best) sum += scores[expert];
  const float divisor = config.normalize ? sum + 1e-20f : 1.0f;
  for (size_t i = 0; i < best.size(); ++i) {
    choices[i] = {best[i], scores[best[i]] / divisor * config.scale};
  }
}

}  // namespace ram
