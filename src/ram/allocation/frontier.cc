#include <algorithm>
#include <cmath>

#include "ram/allocation/optimal.h"
#include "ram/allocation/role_weights.h"
#include "ram/base/error.h"

namespace ram {
namespace {

bool IsMeasured(const Problem& problem, Encoder encoder) {
  const auto& schemes = problem.manifest.schemes;
  return std::any_of(schemes.begin(), schemes.end(),
                     [&](const MeasuredScheme& measured) {
                       return measured.encoder == encoder &&
                              measured.scheme.kind == problem.target.kind();
                     });
}

Encoder UsableEncoder(Problem& problem, Encoder wanted) {
  for (const Encoder encoder :
       {wanted, Encoder::kSearch, Encoder::kMinMax, Encoder::kFast}) {
    if (!IsMeasured(problem, encoder)) continue;
    if (encoder != wanted) {
      problem.notes.push_back(fmt::format(
          "the manifest holds no errors of the encoder '{}': allocated by "
          "those of '{}', which is also what will write the weights",
          EncoderName(wanted), EncoderName(encoder)));
    }
    return encoder;
  }
  const std::string_view kind = SchemeKindName(problem.target.kind());
  Fail(ErrorKind::kUsage,
       "--policy optimal: found no errors of {} schemes in the manifest, "
       "expected those of `ram analyze --schemes {}` for target {}",
       kind, kind, problem.target.name());
}

}  // namespace

double TotalLoss(std::span<const Candidate> candidates) {
  double loss = 0;
  for (const Candidate& candidate : candidates) loss += candidate.loss;
  return loss;
}

std::vector<Scheme> SchemesOf(std::span<const Candidate> candidates) {
  std::vector<Scheme> schemes;
  schemes.reserve(candidates.size());
  for (const Candidate& candidate : candidates) {
    schemes.push_back(candidate.scheme);
  }
  return schemes;
}

Frontier::Frontier(Problem& problem, Encoder encoder,
                   std::optional<double> min_snr_db)
    : problem_(problem),
      encoder_(UsableEncoder(problem, encoder)),
      matrix_weights_(MatrixWeights(problem.model())) {
  const double most_noise =
      min_snr_db ? std::pow(10.0, -*min_snr_db / 10.0) : HUGE_VAL;
  hulls_.reserve(problem.layout.units.size());
  for (size_t u = 0; u < problem.layout.units.size(); ++u) {
    const Unit& unit = problem.layout.units[u];
    std::vector<Candidate> candidates;
    for (const Scheme& scheme : unit.legal) {
      if (problem.settled[u] && scheme != problem.settled[u]->scheme) continue;
      if (!problem.settled[u] && scheme.bits < FewestBits(unit.role)) continue;
      auto candidate = Evaluate(u, scheme, encoder_);
      if (!candidate && problem.settled[u]) {
        candidate = Evaluate(u, scheme, problem.target.UniformEncoder());
        if (!candidate) candidate = Candidate{scheme, unit.bytes(scheme), 0, 0};
      }
      if (!candidate) continue;
      if (!problem.settled[u] && candidate->nmse > most_noise) continue;
      candidates.push_back(*candidate);
    }
    hulls_.push_back(LowerHull(std::move(candidates)));
  }
  steps_ = StepsByPrice(hulls_);
  MeasureUniforms();
}

std::optional<Candidate> Frontier::Evaluate(size_t unit_index,
                                            const Scheme& scheme,
                                            Encoder encoder) const {
  const Unit& unit = problem_.layout.units[unit_index];
  const auto nmse = problem_.Nmse(unit, scheme, encoder);
  if (!nmse && scheme == kFloat16Scheme) {
    // Not measured (a manifest from elsewhere): rounding to 16 bits is small.
    return Candidate{scheme, unit.bytes(scheme), 0, 0};
  }
  if (!nmse) return std::nullopt;
  Candidate candidate = {scheme, unit.bytes(scheme), *nmse, 0};
  for (uint32_t member : unit.members) {
    candidate.loss +=
        matrix_weights_[member] *
        problem_.MemberNmse(unit, member, scheme, encoder).value_or(0);
  }
  return candidate;
}

std::vector<Candidate> Frontier::At(std::span<const uint32_t> points) const {
  std::vector<Candidate> candidates;
  candidates.reserve(points.size());
  for (size_t u = 0; u < points.size(); ++u) {
    candidates.push_back(hulls_[u][points[u]]);
  }
  return candidates;
}

// Once, as every point of a curve is held against them.
void Frontier::MeasureUniforms() {
  for (const Scheme& wanted : problem_.target.Schemes()) {
    const auto candidates = UniformCandidates(wanted);
    if (!candidates) continue;
    const std::vector<Scheme> schemes = SchemesOf(*candidates);
    uniforms_.push_back({wanted, TotalLoss(*candidates),
                         problem_.FileBytes(schemes),
                         problem_.TensorBytes(schemes)});
  }
}

std::optional<std::vector<Candidate>> Frontier::UniformCandidates(
    const Scheme& wanted) const {
  const std::vector<Scheme> schemes = UniformSchemes(problem_, wanted);
  std::vector<Candidate> candidates;
  candidates.reserve(schemes.size());
  for (size_t u = 0; u < schemes.size(); ++u) {
    auto candidate = Evaluate(u, schemes[u], encoder_);
    // The search never does worse than min-max, so this is a bound.
    if (!candidate) {
      candidate = Evaluate(u, schemes[u], problem_.target.UniformEncoder());
    }
    if (!candidate) return std::nullopt;
    candidates.push_back(*candidate);
  }
  return candidates;
}

// The uniform allocation within the budget that beats `loss` by most.
std::optional<std::vector<Candidate>> Frontier::BestUniform(
    const Budget& budget, double loss) const {
  const Uniform* best = nullptr;
  for (const Uniform& uniform : uniforms_) {
    const uint64_t bytes =
        budget.files ? uniform.file_bytes : uniform.tensor_bytes;
    if (uniform.loss >= loss || bytes > budget.bytes) continue;
    loss = uniform.loss;
    best = &uniform;
  }
  if (best == nullptr) return std::nullopt;
  return UniformCandidates(best->wanted);
}

std::vector<Candidate> Frontier::Spend(const Budget& budget) const {
  const std::vector<uint32_t> smallest(hulls_.size(), 0);
  std::vector<Candidate> best = At(smallest);
  const uint64_t least = BytesFor(problem_, budget, SchemesOf(best));
  if (least > budget.bytes) FailBudget(problem_, least);

  // Hulls count the bytes of units alone; what comes on top (plain tensors,
  // headers) changes a little with the choice, so it is corrected for.
  const auto unit_bytes = [](std::span<const Candidate> candidates) {
    uint64_t bytes = 0;
    for (const Candidate& candidate : candidates) bytes += candidate.bytes;
    return bytes;
  };
  uint64_t allowance = unit_bytes(best) + (budget.bytes - least);
  double best_loss = TotalLoss(best);
  for (int round = 0; round < 6; ++round) {
    const auto points = SpendBytes(hulls_, steps_, allowance);
    std::vector<Candidate> found = At(points);
    const uint64_t bytes = BytesFor(problem_, budget, SchemesOf(found));
    if (bytes > budget.bytes) {
      const uint64_t excess = bytes - budget.bytes;
      const uint64_t spent = unit_bytes(found);
      if (spent <= excess) break;
      allowance = std::min(allowance, spent) - excess;
      continue;
    }
    const double loss = TotalLoss(found);
    if (loss < best_loss) {
      best = std::move(found);
      best_loss = loss;
    }
    break;
  }
  if (auto uniform = BestUniform(budget, best_loss)) return *uniform;
  return best;
}

std::vector<Candidate> Frontier::ReachLoss(double wanted) const {
  std::vector<uint32_t> points(hulls_.size(), 0);
  double loss = TotalLoss(At(points));
  for (const HullStep& step : steps_) {
    if (loss <= wanted) break;
    points[step.curve] = step.to;
    loss -= step.loss;
  }
  return At(points);
}

}  // namespace ram
