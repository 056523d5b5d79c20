// Which token comes next.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace ram {

// Applied in this order, as the transformers library does.
struct SamplingOptions {
  float temperature = 0;  // divides the logits; 0: the most likely token
  uint32_t top_k = 0;     // only the k most likely; 0: all
  // Only the most likely whose probabilities add up to top_p, in (0, 1].
  float top_p = 1;
  // Only those with min_p times the probability of the most likely, in [0, 1].
  float min_p = 0;
};

// Throws kUsage for values out of range.
void CheckSampling(const SamplingOptions& options);

class Sampler {
 public:
  explicit Sampler(const SamplingOptions& options) : options_(options) {}

  // `uniform` in [0, 1) chooses. The lowest id wins a tie.
  int32_t Choose(std::span<const float> logits, double uniform);

 private:
  struct Candidate {
    int32_t id;
    float logit;
    double weight;
  };

  SamplingOptions options_;
  std::vector<Candidate> candidates_;  // reused
};

// The most likely token; the lowest id wins a tie.
int32_t MostLikely(std::span<const float> logits);

}  // namespace ram
