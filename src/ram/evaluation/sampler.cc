#include "ram/evaluation/sampler.h"

#include <algorithm>
#include <cmath>

#include "ram/base/error.h"

namespace ram {

void CheckSampling(const SamplingOptions& options) {
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) {
    Fail(ErrorKind::kUsage, "temperature: found {}, expected 0 or more",
         options.temperature);
  }
  if (!(options.top_p > 0 && options.top_p <= 1)) {
    Fail(ErrorKind::kUsage, "top-p: found {}, expected a number in (0, 1]",
         options.top_p);
  }
  if (!(options.min_p >= 0 && options.min_p <= 1)) {
    Fail(ErrorKind::kUsage, "min-p: found {}, expected a number in [0, 1]",
         options.min_p);
  }
}

int32_t MostLikely(std::span<const float> logits) {
  return static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) -
                              logits.begin());
}

int32_t Sampler::Choose(std::span<const float> logits, double uniform) {
  if (options_.temperature == 0) return MostLikely(logits);
  const float top = *std::max_element(logits.begin(), logits.end());
  candidates_.clear();
  for (size_t i = 0; i < logits.size(); ++i) {
    const double power =
        static_cast<double>(logits[i] - top) / options_.temperature;
    candidates_.push_back(
        {static_cast<int32_t>(i), logits[i], std::exp(power)});
  }
  const auto before = [](const Candidate& a, const Candidate& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  if (options_.top_k > 0 && options_.top_k < candidates_.size()) {
    std::nth_element(candidates_.begin(), candidates_.begin() + options_.top_k,
                     candidates_.end(), before);
    candidates_.resize(options_.top_k);
  }
  if (options_.top_k > 0 || options_.top_p < 1) {
    // Whatever is never chosen need not be sorted.
    std::erase_if(candidates_,
                  [](const Candidate& c) { return c.weight < 1e-12; });
    std::sort(candidates_.begin(), candidates_.end(), before);
  }
  double total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  if (options_.top_p < 1) {
    double sum = 0;
    size_t kept = 0;
    while (kept < candidates_.size() && sum < options_.top_p * total) {
      sum += candidates_[kept++].weight;
    }
    candidates_.resize(kept);
  }
  // The most likely has weight 1.
  std::erase_if(candidates_, [&](const Candidate& candidate) {
    return candidate.weight < options_.min_p;
  });
  total = 0;
  for (const Candidate& candidate : candidates_) total += candidate.weight;
  double left = uniform * total;
  for (const Candidate& candidate : candidates_) {
    left -= candidate.weight;
    if (left < 0) return candidate.id;
  }
  return candidates_.back().id;
}

}  // namespace ram
