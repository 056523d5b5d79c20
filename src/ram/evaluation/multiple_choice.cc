#include "ram/evaluation/multiple_choice.h"

#include <algorithm>
#include <utility>

#include "ram/base/error.h"
#include "ram/evaluation/python_text.h"

namespace ram {
namespace {

// How many tokens all contexts begin with; at least one is left to each.
size_t CommonTokens(std::span<const EncodedChoices> items) {
  const std::vector<int32_t>& first = items[0].context;
  size_t common = first.size();
  for (const EncodedChoices& item : items) {
    const auto end =
        std::mismatch(first.begin(),
                      first.begin() + static_cast<ptrdiff_t>(common),
                      item.context.begin(), item.context.end())
            .first;
    common = std::min(static_cast<size_t>(end - first.begin()),
                      item.context.size() - 1);
  }
  return common;
}

class Planter {
 public:
  Planter(std::span<const EncodedChoices> items, uint64_t context)
      : items_(items), context_(context), common_(CommonTokens(items)) {}

  ChoiceForest Plant() {
    for (const EncodedChoices& item : items_) PlantItem(item);
    forest_.first_leaf.push_back(forest_.leaves.size());
    return std::move(forest_);
  }

 private:
  void PlantItem(const EncodedChoices& item) {
    forest_.first_leaf.push_back(forest_.leaves.size());
    int64_t prompt = -1;  // planted when the first choice needs it
    for (const std::vector<int32_t>& choice : item.continuations) {
      const uint64_t tokens = item.context.size() + choice.size();
      forest_.prompt_tokens += tokens;
      if (context_ != 0 && tokens > context_ + 1) {
        PlantTruncated(item.context, choice);
        continue;
      }
      if (prompt < 0) prompt = PlantPrompt(item.context);
      forest_.leaves.push_back(Add({choice, prompt, 0}));
    }
  }

  int64_t PlantPrompt(const std::vector<int32_t>& context) {
    if (common_ == 0) return static_cast<int64_t>(Add(Unscored(context)));
    if (root_ < 0) {
      root_ = static_cast<int64_t>(Add(Unscored({context.data(), common_})));
    }
    return static_cast<int64_t>(
        Add(Unscored(std::span(context).subspan(common_), root_)));
  }

  // The last context_ + 1 tokens, of which the choice's are scored.
  void PlantTruncated(const std::vector<int32_t>& context,
                      const std::vector<int32_t>& choice) {
    if (choice.size() > context_) {
      Fail(ErrorKind::kUnsupported,
           "choice: found {} tokens, expected at most the {} of the model's "
           "context",
           choice.size(), context_);
    }
    ++forest_.truncated;
    const size_t kept = context_ + 1 - choice.size();
    Segment segment;
    segment.tokens.assign(context.end() - static_cast<ptrdiff_t>(kept),
                          context.end());
    segment.first_scored = static_cast<uint32_t>(kept);
    segment.tokens.insert(segment.tokens.end(), choice.begin(), choice.end());
    forest_.leaves.push_back(Add(std::move(segment)));
  }

  static Segment Unscored(std::span<const int32_t> tokens,
                          int64_t parent = -1) {
    return {{tokens.begin(), tokens.end()},
            parent,
            static_cast<uint32_t>(tokens.size())};
  }

  size_t Add(Segment segment) {
    forest_.computed_tokens += segment.tokens.size();
    forest_.segments.push_back(std::move(segment));
    return forest_.segments.size() - 1;
  }

  std::span<const EncodedChoices> items_;
  uint64_t context_;
  size_t common_;
  int64_t root_ = -1;
  ChoiceForest forest_;
};

// The summed log-probability of every leaf.
std::vector<double> LeafSums(const ChoiceForest& forest,
                             const ModelScores& scores) {
  std::vector<double> segment_sums;
  size_t at = 0;
  for (const Segment& segment : forest.segments) {
    double sum = 0;
    for (uint64_t i = ScoredTokens({&segment, 1}); i > 0; --i) {
      sum += static_cast<double>(scores.tokens[at++].log_prob);
    }
    segment_sums.push_back(sum);
  }
  std::vector<double> sums;
  for (const size_t leaf : forest.leaves) sums.push_back(segment_sums[leaf]);
  return sums;
}

uint32_t Best(std::span<const double> values) {
  return static_cast<uint32_t>(std::max_element(values.begin(), values.end()) -
                               values.begin());
}

Estimate Share(std::span<const uint8_t> right) {
  const std::vector<double> values(right.begin(), right.end());
  return {Mean(values), StandardError(values)};
}

}  // namespace

EncodedChoices EncodeChoices(const EncodeText& encode, std::string_view prompt,
                             std::span<const std::string> choices,
                             std::string_view source) {
  const std::string_view stripped = prompt.substr(0, StrippedLength(prompt));
  EncodedChoices encoded;
  encoded.context = encode(stripped);
  for (const std::string& choice : choices) {
    const std::vector<int32_t> whole =
        encode(std::string(prompt) + " " + choice);
    if (encoded.context.empty() || whole.size() <= encoded.context.size()) {
      Fail(ErrorKind::kCorrupt,
           "{}: choice \"{}\": found no token of its own after the prompt's "
           "{}, expected one or more",
           source, choice, encoded.context.size());
    }
    encoded.continuations.emplace_back(
        whole.begin() + static_cast<ptrdiff_t>(encoded.context.size()),
        whole.end());
  }
  return encoded;
}

ChoiceForest PlantChoices(std::span<const EncodedChoices> items,
                          uint64_t context) {
  return Planter(items, context).Plant();
}

ChoiceResult JudgeChoices(std::span<const ChoiceItem> items,
                          const ChoiceForest& forest,
                          const ModelScores& scores) {
  const std::vector<double> sums = LeafSums(forest, scores);
  ChoiceResult result;
  for (size_t i = 0; i < items.size(); ++i) {
    const size_t first = forest.first_leaf[i];
    const auto own = std::span(sums).subspan(first, items[i].choices.size());
    std::vector<double> by_length;
    for (size_t j = 0; j < own.size(); ++j) {
      by_length.push_back(own[j] / static_cast<double>(std::max<size_t>(
                                       1, CodePoints(items[i].choices[j]))));
    }
    result.chosen.push_back(Best(own));
    result.chosen_norm.push_back(Best(by_length));
    result.right.push_back(result.chosen.back() == items[i].answer ? 1 : 0);
    result.right_norm.push_back(
        result.chosen_norm.back() == items[i].answer ? 1 : 0);
  }
  result.acc = Share(result.right);
  result.acc_norm = Share(result.right_norm);
  result.seconds = scores.seconds;
  return result;
}

ChoiceComparison CompareChoices(std::span<const uint8_t> baseline_right,
                                std::span<const uint8_t> model_right) {
  const std::vector<double> baseline(baseline_right.begin(),
                                     baseline_right.end());
  const std::vector<double> model(model_right.begin(), model_right.end());
  ChoiceComparison comparison;
  comparison.paired = McNemar(baseline_right, model_right);
  comparison.difference = PairedDifference(baseline, model);
  const double right = Mean(baseline);
  comparison.retention = right > 0 ? Mean(model) / right : 0;
  return comparison;
}

}  // namespace ram
