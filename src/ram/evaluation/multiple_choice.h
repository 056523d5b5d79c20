// Accuracy on multiple-choice items: tokens to score, and what the scores say.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ram/evaluation/choice_item.h"
#include "ram/evaluation/score.h"
#include "ram/evaluation/statistics.h"

namespace ram {

using EncodeText = std::function<std::vector<int32_t>(std::string_view)>;

// A prompt and its choices as tokens.
struct EncodedChoices {
  std::vector<int32_t> context;
  std::vector<std::vector<int32_t>> continuations;  // one per choice
};

// As lm-evaluation-harness splits them: trailing whitespace of the prompt goes
// to the choice, prompt and choice are encoded together, and what lies behind
// as many tokens as the prompt alone has is the choice's. (So where a token
// straddles the boundary, the prompt's own tokens are followed by the rest.)
// Throws kCorrupt, naming `source`, when nothing is left for a choice.
EncodedChoices EncodeChoices(const EncodeText& encode, std::string_view prompt,
                             std::span<const std::string> choices,
                             std::string_view source);

// Everything to score, with what is common computed once: the tokens that all
// prompts begin with, then each prompt, then each choice.
struct ChoiceForest {
  std::vector<Segment> segments;
  // For every choice of every item, in order: the segment that ends with it.
  std::vector<size_t> leaves;
  std::vector<size_t> first_leaf;  // of each item; one more at the end
  uint64_t truncated = 0;          // choices cut from the left
  uint64_t computed_tokens = 0;    // of all segments
  uint64_t prompt_tokens = 0;      // what it would be without sharing
};

// Prompts with a choice longer than `context` + 1 tokens lose tokens on the
// left, as in the harness (0: no limit). Throws kUnsupported when a choice
// alone is longer.
ChoiceForest PlantChoices(std::span<const EncodedChoices> items,
                          uint64_t context);

struct ChoiceResult {
  std::vector<uint32_t> chosen;       // by summed log-probability
  std::vector<uint32_t> chosen_norm;  // divided by the choice's characters
  std::vector<uint8_t> right;         // 1: chosen is the answer
  std::vector<uint8_t> right_norm;
  Estimate acc;
  Estimate acc_norm;
  double seconds = 0;
};

ChoiceResult JudgeChoices(std::span<const ChoiceItem> items,
                          const ChoiceForest& forest,
                          const ModelScores& scores);

// A model against the baseline, on one of the two accuracies.
struct ChoiceComparison {
  PairedChoices paired;  // first: the baseline
  Interval difference;   // of accuracy, model - baseline
  double retention = 0;  // accuracy over the baseline's

  bool differs() const { return paired.p_value < 0.05; }
};
ChoiceComparison CompareChoices(std::span<const uint8_t> baseline_right,
                                std::span<const uint8_t> model_right);

}  // namespace ram
