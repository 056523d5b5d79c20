// ram-v3: the scores of ram-v1 and ram-v2 mixed, and thresholds moved until
// the size lands on the budget. Definition: docs/metrics.md.
#include <algorithm>
#include <array>
#include <cmath>

#include "ram/allocation/ram_policies.h"
#include "ram/base/byte_size.h"
#include "ram/base/error.h"

namespace ram {
namespace {

// A model whose scores span less gains nothing from a mix.
constexpr double kHomogeneousSpan = 0.10;
constexpr std::array<int, 4> kWidths = {2, 4, 8, 16};

// Units in ascending order of their score, cut into four runs of 2, 4, 8 and
// 16 bits. Units of equal score are never parted.
class Runs {
 public:
  Runs(const Problem& problem, const std::vector<RamUnit>& units)
      : problem_(problem), units_(units), schemes_(units.size()) {
    for (uint32_t u = 0; u < units.size(); ++u) {
      if (units[u].kept) {
        if (problem.settled[u]) schemes_[u] = problem.settled[u]->scheme;
      } else {
        order_.push_back(u);
      }
    }
    std::stable_sort(order_.begin(), order_.end(), [&](uint32_t a, uint32_t b) {
      return units[a].score < units[b].score;
    });
  }

  void Fix(uint32_t unit, const Scheme& scheme) { schemes_[unit] = scheme; }

  size_t size() const { return order_.size(); }
  double score(size_t place) const { return units_[order_[place]].score; }

  // starts[k]: the first place of run k + 1.
  using Starts = std::array<size_t, 3>;
  std::vector<Scheme> Schemes(const Starts& starts) const {
    std::vector<Scheme> schemes = schemes_;
    for (size_t place = 0; place < order_.size(); ++place) {
      size_t run = 0;
      while (run < 3 && place >= starts[run]) ++run;
      schemes[order_[place]] = SchemeFor(
          problem_, problem_.layout.units[order_[place]], kWidths[run]);
    }
    return schemes;
  }

  Starts At(const Thresholds& thresholds) const {
    const auto first = [&](auto inside) {
      return static_cast<size_t>(
          std::partition_point(
              order_.begin(), order_.end(),
              [&](uint32_t u) { return !inside(units_[u].score); }) -
          order_.begin());
    };
    const size_t at_16 =
        first([&](double s) { return s >= thresholds.above_16; });
    const size_t at_8 =
        first([&](double s) { return s >= thresholds.above_8; });
    const size_t at_4 = first([&](double s) { return s > thresholds.below_2; });
    return {std::min(at_4, at_8), at_8, at_16};
  }

  // The first place at or after `at` where a run may begin.
  size_t Boundary(size_t at) const {
    while (at > 0 && at < size() && score(at - 1) == score(at)) ++at;
    return at;
  }

 private:
  const Problem& problem_;
  const std::vector<RamUnit>& units_;
  std::vector<uint32_t> order_;  // of the units that are not kept
  std::vector<Scheme> schemes_;  // of those that are
};

// Every shift of the thresholds at which some unit changes its bits.
std::vector<double> Shifts(const Runs& runs, const Thresholds& base) {
  std::vector<double> events;
  for (size_t place = 0; place < runs.size(); ++place) {
    for (double threshold : {base.above_16, base.above_8, base.below_2}) {
      events.push_back(runs.score(place) - threshold);
    }
  }
  std::sort(events.begin(), events.end());
  events.erase(std::unique(events.begin(), events.end()), events.end());
  std::vector<double> shifts;
  if (events.empty()) return {0.0};
  shifts.push_back(events.front() - 1);
  for (size_t i = 1; i < events.size(); ++i) {
    shifts.push_back((events[i - 1] + events[i]) / 2);
  }
  shifts.push_back(events.back() + 1);
  return shifts;
}

Thresholds Shifted(const Thresholds& base, double shift) {
  return {base.above_16 + shift, base.above_8 + shift, base.below_2 + shift};
}

struct Landing {
  Runs::Starts starts;
  double shift = 0;
};

// The smallest common shift whose tensors fit, then each run grown as far as
// the rest allows: first out of 2 bits, then into 8, then into 16.
Landing LandTensors(const Problem& problem, const Runs& runs,
                    const Thresholds& base, const std::vector<double>& shifts,
                    uint64_t tensor_bytes) {
  const auto fits = [&](const Runs::Starts& starts) {
    return problem.TensorBytes(runs.Schemes(starts)) <= tensor_bytes;
  };
  size_t low = 0,
         high = shifts.size() - 1;  // shifts[high] is the smallest size
  while (low < high) {
    const size_t middle = (low + high) / 2;
    if (fits(runs.At(Shifted(base, shifts[middle])))) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  Landing landing = {runs.At(Shifted(base, shifts[high])), shifts[high]};
  for (size_t run = 0; run < 3; ++run) {
    size_t from = run == 0 ? 0 : landing.starts[run - 1];
    size_t to = landing.starts[run];
    while (from < to) {
      const size_t middle = (from + to) / 2;
      Runs::Starts grown = landing.starts;
      grown[run] = std::min(runs.Boundary(middle), to);
      if (fits(grown)) {
        landing.starts = grown;
        to = middle;
      } else {
        from = middle + 1;
      }
    }
  }
  return landing;
}

Landing Land(const Problem& problem, const Runs& runs, const Thresholds& base,
             const Budget& budget) {
  const std::vector<double> shifts = Shifts(runs, base);
  const Runs::Starts none = {runs.size(), runs.size(), runs.size()};
  const std::vector<Scheme> least_schemes = runs.Schemes(none);
  const uint64_t least = BytesFor(problem, budget, least_schemes);
  if (least > budget.bytes) FailBudget(problem, least);
  // Headers change a little with the choice.
  uint64_t allowance =
      problem.TensorBytes(least_schemes) + (budget.bytes - least);
  for (int round = 0; round < 6; ++round) {
    const Landing landing = LandTensors(problem, runs, base, shifts, allowance);
    const uint64_t bytes =
        BytesFor(problem, budget, runs.Schemes(landing.starts));
    if (bytes <= budget.bytes) return landing;
    allowance -= std::min(allowance, bytes - budget.bytes);
  }
  return {none, shifts.back()};
}

// Thresholds that give these runs: between the scores on both sides.
Thresholds ThresholdsOf(const Runs& runs, const Landing& landing,
                        const Thresholds& base) {
  const Thresholds moved = Shifted(base, landing.shift);
  const auto between = [&](size_t start, double wanted) {
    constexpr double kBeyond = 1e-3;  // where all scores lie on one side
    const double above = start < runs.size() ? runs.score(start) : HUGE_VAL;
    const double below = start > 0 ? runs.score(start - 1) : -HUGE_VAL;
    if (wanted > below && wanted < above) return wanted;
    if (start == 0) return above - kBeyond;
    if (start == runs.size()) return below + kBeyond;
    return below + (above - below) / 2;
  };
  Thresholds result;
  result.below_2 = between(landing.starts[0], moved.below_2);
  result.above_8 =
      std::max(result.below_2, between(landing.starts[1], moved.above_8));
  result.above_16 =
      std::max(result.above_8, between(landing.starts[2], moved.above_16));
  return result;
}

// Embedding and head, which the rule protects, take 16 bits only where the
// budget leaves 4 for the rest; else 8; else what their scores say.
void PlaceVocabulary(Problem& problem, const Budget& budget,
                     std::vector<RamUnit>& units,
                     std::vector<std::optional<Scheme>>& fixed) {
  std::vector<uint32_t> tables;
  for (uint32_t u = 0; u < units.size(); ++u) {
    const Unit& unit = problem.layout.units[u];
    const bool table = problem.IsEmbedding(unit) || problem.IsHead(unit);
    const bool scored = std::all_of(
        unit.members.begin(), unit.members.end(), [&](uint32_t member) {
          return MetricValues(problem.record(member).metrics).has_value();
        });
    if (table && scored && !problem.settled[u] && unit.legal.size() > 1) {
      tables.push_back(u);
    }
  }
  if (tables.empty()) return;
  for (int bits : {16, 8}) {
    std::vector<Scheme> schemes;
    for (uint32_t u = 0; u < units.size(); ++u) {
      const Unit& unit = problem.layout.units[u];
      const bool table =
          std::find(tables.begin(), tables.end(), u) != tables.end();
      schemes.push_back(problem.settled[u] ? problem.settled[u]->scheme
                        : table            ? SchemeFor(problem, unit, bits)
                        : units[u].kept    ? kFloat16Scheme
                                           : SchemeFor(problem, unit, 4));
    }
    if (BytesFor(problem, budget, schemes) > budget.bytes) continue;
    if (bits == 16) return;  // as protected
    for (uint32_t u : tables) {
      fixed[u] = SchemeFor(problem, problem.layout.units[u], 8);
      units[u].kept =
          "8-bit: embedding and head take 8 bits, since 16 would leave the "
          "rest less than 4";
    }
    problem.notes.push_back(
        "embedding and head take 8 bits: at 16 the budget would leave the "
        "rest less than 4");
    return;
  }
  for (uint32_t u : tables) units[u].kept.reset();
  problem.notes.push_back(
      "embedding and head are not protected: even at 8 bits they would leave "
      "the rest less than 4");
}

std::vector<Choice> FallBackToUniform(Problem& problem, const RamScores& scores,
                                      const std::vector<RamUnit>& units,
                                      const Budget& budget) {
  std::vector<Scheme> best;
  Scheme best_scheme;
  uint64_t best_bytes = 0, least = UINT64_MAX;
  for (const Scheme& scheme : problem.target.Schemes()) {
    const auto schemes = UniformSchemes(problem, scheme);
    const uint64_t bytes = BytesFor(problem, budget, schemes);
    least = std::min(least, bytes);
    if (bytes > budget.bytes || bytes < best_bytes) continue;
    best = schemes;
    best_scheme = scheme;
    best_bytes = bytes;
  }
  if (best.empty() && !problem.layout.units.empty()) {
    FailBudget(problem, least);
  }
  problem.notes.push_back(fmt::format(
      "homogeneous: the sensitivity span {:.3f} is under {:.2f}, so all units "
      "take {}",
      scores.span, kHomogeneousSpan, SchemeLabel(best_scheme)));
  std::vector<Choice> choices;
  for (size_t u = 0; u < best.size(); ++u) {
    choices.push_back(
        {best[u], units[u].score,
         fmt::format("{}: uniform, since the model is homogeneous",
                     SchemeLabel(best[u]))});
  }
  return choices;
}

}  // namespace

std::vector<Choice> DecideRamV3(Problem& problem, const RamScores& scores,
                                std::vector<RamUnit> units) {
  const RamRule& rule = problem.options.rule;
  const Budget budget = BudgetOrDefault(problem);
  const Thresholds base = {rule.above_16, rule.above_8, rule.below_2};
  if (scores.span < kHomogeneousSpan) {
    auto choices = FallBackToUniform(problem, scores, units, budget);
    NoteRam(problem, scores, units, choices, base);
    return choices;
  }
  std::vector<std::optional<Scheme>> fixed(units.size());
  PlaceVocabulary(problem, budget, units, fixed);
  Runs runs(problem, units);
  for (uint32_t u = 0; u < units.size(); ++u) {
    if (fixed[u]) runs.Fix(u, *fixed[u]);
  }
  const Landing landing = Land(problem, runs, base, budget);
  const Thresholds thresholds = ThresholdsOf(runs, landing, base);
  const std::vector<Scheme> schemes = runs.Schemes(landing.starts);
  std::vector<Choice> choices;
  choices.reserve(units.size());
  for (size_t u = 0; u < units.size(); ++u) {
    const int bits = BitsFor(units[u].score, thresholds);
    Choice choice =
        RamChoice(problem, problem.layout.units[u], units[u], bits, thresholds);
    choice.scheme = schemes[u];
    choices.push_back(std::move(choice));
  }
  problem.notes.push_back(fmt::format(
      "thresholds moved to {:.3f} (16 bits), {:.3f} (8) and {:.3f} (2) for a "
      "budget of {}",
      thresholds.above_16, thresholds.above_8, thresholds.below_2,
      FormatByteSize(budget.bytes)));
  NoteRam(problem, scores, units, choices, thresholds);
  return choices;
}

}  // namespace ram
