// Do several measures put the same models in the same order?
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "ram/evaluation/perplexity.h"
#include "ram/evaluation/statistics.h"

namespace ram {

// What one measure says of every pair of models (i, j), i < j, in the order
// (0, 1), (0, 2), ..., (1, 2), ...
struct MeasureOrders {
  std::string name;  // "perplexity"
  std::vector<Order> orders;
};

// By pooled perplexity: a difference counts when the paired bootstrap interval
// of the ratio leaves out 1.
MeasureOrders OrdersByPerplexity(
    std::span<const std::vector<WindowTotal>> models, uint64_t seed);
// By mean KL divergence from the baseline, per window: a difference counts
// when the paired interval leaves out 0. models[0] is the baseline, at 0.
MeasureOrders OrdersByDivergence(std::span<const std::vector<double>> models);
// By accuracy: a difference counts when McNemar's p < 0.05.
MeasureOrders OrdersByAccuracy(std::string name,
                               std::span<const std::vector<uint8_t>> right);

// One line for every two measures, e.g. "perplexity and KL order the models
// alike: 5 of 6 pairs; 1 undecided"; empty for fewer than two models.
std::vector<std::string> AgreementTexts(
    std::span<const MeasureOrders> measures);

}  // namespace ram
