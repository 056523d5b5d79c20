#include "ram/allocation/optimal.h"

#include <algorithm>
#include <cmath>

#include "ram/allocation/role_weights.h"
#include "ram/base/byte_size.h"
#include "ram/base/error.h"

namespace ram {
namespace {

constexpr double kSafeSnrDb = 9.0;

// The loss of the yardstick as the runtime's own converter writes it.
double YardstickLoss(const Frontier& frontier, const Problem& problem) {
  const std::vector<Scheme> schemes =
      UniformSchemes(problem, Yardstick(problem.target));
  double loss = 0;
  for (size_t u = 0; u < schemes.size(); ++u) {
    auto candidate =
        frontier.Evaluate(u, schemes[u], problem.target.UniformEncoder());
    if (!candidate) {
      candidate = frontier.Evaluate(u, schemes[u], frontier.encoder());
    }
    if (!candidate) {
      Fail(ErrorKind::kUsage,
           "--min-safe: {}: found no measured error at {}, expected the "
           "errors of `ram analyze`",
           problem.layout.units[u].name, SchemeLabel(schemes[u]));
    }
    loss += candidate->loss;
  }
  return loss;
}

std::string Percent(double part, double whole) {
  const double percent = whole > 0 ? 100.0 * part / whole : 0.0;
  return percent >= 0.01 || percent == 0 ? fmt::format("{:.2f} %", percent)
                                         : "under 0.01 %";
}

std::string Reason(const Problem& problem, size_t unit_index,
                   const std::vector<Candidate>& hull, const Candidate& chosen,
                   double total_loss) {
  const Unit& unit = problem.layout.units[unit_index];
  const std::string label = SchemeLabel(chosen.scheme);
  if (unit.legal.size() == 1) {
    return fmt::format("{}: the runtime cannot quantise this module", label);
  }
  const auto at =
      std::find_if(hull.begin(), hull.end(), [&](const Candidate& candidate) {
        return candidate.scheme == chosen.scheme;
      });
  if (at == hull.end()) {
    return fmt::format("{}: uniform was better than any mix at this size",
                       label);
  }
  std::string reason = label + ": ";
  const int floor = FewestBits(unit.role);
  if (at == hull.begin() && floor > 2) {
    reason += fmt::format("a {} is given {} bits or more; ", unit.role, floor);
  }
  const auto next = std::next(at);
  if (next == hull.end()) return reason + "no scheme predicts less loss";
  reason += fmt::format(
      "the next step ({}, +{}) would save {} of the predicted loss; others "
      "saved more per byte",
      SchemeLabel(next->scheme), FormatByteSize(next->bytes - at->bytes),
      Percent(at->loss - next->loss, total_loss));
  return reason;
}

}  // namespace

std::vector<Choice> DecideOptimal(Problem& problem, Encoder& encoder) {
  const AllocateOptions& options = problem.options;
  const Frontier frontier(
      problem, encoder,
      options.min_safe ? std::optional(kSafeSnrDb) : std::nullopt);
  encoder = frontier.encoder();
  const std::vector<Candidate> chosen =
      options.min_safe ? frontier.ReachLoss(YardstickLoss(frontier, problem))
                       : frontier.Spend(BudgetOrDefault(problem));
  const double total = TotalLoss(chosen);
  problem.notes.push_back(fmt::format(
      "predicted loss {:.6g} (docs/metrics.md: Predicted loss)", total));
  std::vector<Choice> choices;
  choices.reserve(chosen.size());
  for (size_t u = 0; u < chosen.size(); ++u) {
    const auto& hull = frontier.hulls()[u];
    choices.push_back({chosen[u].scheme, chosen[u].loss,
                       Reason(problem, u, hull, chosen[u], total), hull});
  }
  return choices;
}

std::vector<CurvePoint> Curve(const Manifest& manifest, const Target& target,
                              const AllocateOptions& options, int points) {
  if (points < 2) {
    Fail(ErrorKind::kUsage, "--curve: found {} points, expected 2 or more",
         points);
  }
  AllocateOptions unbounded = options;
  unbounded.size_bytes.reset();
  unbounded.bits_per_weight.reset();
  unbounded.min_safe = false;
  Problem problem(manifest, target, unbounded);
  const Frontier frontier(problem, options.encoder.value_or(Encoder::kSearch));
  const auto total = [&](bool largest) {
    std::vector<Scheme> schemes;
    for (const auto& hull : frontier.hulls()) {
      schemes.push_back((largest ? hull.back() : hull.front()).scheme);
    }
    return problem.FileBytes(schemes);
  };
  // Beyond 8 bits everywhere nothing is left to gain.
  const Scheme largest_scheme = target.Schemes().back();
  const double from = static_cast<double>(total(false));
  const double to = std::max(
      from, static_cast<double>(std::min(
                total(true),
                problem.FileBytes(UniformSchemes(problem, largest_scheme)))));
  std::vector<CurvePoint> curve;
  for (int i = 0; i < points; ++i) {
    const double part = static_cast<double>(i) / (points - 1);
    const Budget budget = {
        true,
        static_cast<uint64_t>(std::ceil(from * std::pow(to / from, part)))};
    const std::vector<Candidate> chosen = frontier.Spend(budget);
    CurvePoint point;
    point.totals = problem.Totals(SchemesOf(chosen));
    point.predicted_loss = TotalLoss(chosen);
    double noise = 0;
    for (const Candidate& candidate : chosen) {
      noise = std::max(noise, candidate.nmse);
    }
    point.smallest_snr_db = noise > 0 ? -10.0 * std::log10(noise) : 99.0;
    if (!curve.empty() &&
        point.totals.file_bytes <= curve.back().totals.file_bytes) {
      continue;
    }
    curve.push_back(point);
  }
  return curve;
}

}  // namespace ram
