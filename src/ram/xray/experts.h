// The experts of a mixture: how they compare, who is chosen, who matters.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ram/xray/subject.h"

namespace ram {

// One expert of one layer, its matrices together.
struct ExpertSummary {
  int layer = 0;
  int expert = 0;
  std::vector<uint32_t> matrices;  // indices into Model::matrices
  // Decibels at 3 bits, all matrices together; nullopt: not measured.
  std::optional<double> snr3;
  std::optional<double> kurtosis;  // weight-averaged
  std::optional<double> load;      // share of simulated tokens
  // Of the expert of the same layer that is most like it: the cosine of the
  // sketches, the lowest of the matrices; and its number.
  std::optional<double> similarity;
  int most_similar = -1;
  // Squared error that 3 bits leave in its weights, over the mean of the
  // model's experts: 1 is average. How well it foretells what rounding an
  // expert costs: docs/xray.md, Experts.
  std::optional<double> importance;
};

// By layer, then by expert; text section only; empty for a dense model.
std::vector<ExpertSummary> SummarizeExperts(const Subject& subject);

}  // namespace ram
