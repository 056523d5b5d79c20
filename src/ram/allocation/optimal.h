// The `optimal` policy: least predicted loss under an exact byte budget.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ram/allocation/decision.h"
#include "ram/allocation/hull.h"

namespace ram {

// The units' curves on one target, with the encoder that will write them.
class Frontier {
 public:
  // Where the manifest lacks measurements of `encoder`, takes those of the
  // min-max encoder and says so in problem.notes. Throws kUsage when there are
  // none at all. `min_snr_db` leaves out noisier candidates.
  Frontier(Problem& problem, Encoder encoder,
           std::optional<double> min_snr_db = std::nullopt);

  Encoder encoder() const { return encoder_; }
  const std::vector<std::vector<Candidate>>& hulls() const { return hulls_; }
  const std::vector<HullStep>& steps() const { return steps_; }
  std::span<const double> matrix_weights() const { return matrix_weights_; }

  // One candidate per unit, as many bytes as the budget allows. Throws kGate
  // when even the smallest candidates are too large.
  std::vector<Candidate> Spend(const Budget& budget) const;
  // The fewest bytes whose loss is at most `loss`.
  std::vector<Candidate> ReachLoss(double loss) const;
  // A unit stored so, whether or not that is on its hull; nullopt when not
  // measured by any encoder.
  std::optional<Candidate> Evaluate(size_t unit, const Scheme& scheme,
                                    Encoder encoder) const;

 private:
  std::vector<Candidate> At(std::span<const uint32_t> points) const;
  // Everything in one scheme.
  struct Uniform {
    Scheme wanted;
    double loss;
    uint64_t file_bytes, tensor_bytes;
  };
  void MeasureUniforms();
  std::optional<std::vector<Candidate>> UniformCandidates(
      const Scheme& wanted) const;
  std::optional<std::vector<Candidate>> BestUniform(const Budget& budget,
                                                    double loss) const;

  const Problem& problem_;
  Encoder encoder_;
  std::vector<double> matrix_weights_;
  std::vector<std::vector<Candidate>> hulls_;
  std::vector<HullStep> steps_;
  std::vector<Uniform> uniforms_;  // those whose errors are all known
};

// Sums in the order of the units.
double TotalLoss(std::span<const Candidate> candidates);
std::vector<Scheme> SchemesOf(std::span<const Candidate> candidates);

}  // namespace ram
