#include "ram/allocation/ram_policies.h"

#include <algorithm>

#include "ram/base/error.h"

namespace ram {
namespace {

constexpr uint64_t kSmallestWeights = 1024;

std::optional<std::string> WhyKept(const Problem& problem,
                                   const RamScores& scores, size_t index) {
  const Unit& unit = problem.layout.units[index];
  if (problem.settled[index]) return problem.settled[index]->reason;
  for (uint32_t member : unit.members) {
    if (scores.protections[member]) return scores.protections[member];
  }
  if (unit.weights() < kSmallestWeights) {
    return fmt::format("16-bit: {} weights, fewer than {}", unit.weights(),
                       kSmallestWeights);
  }
  if (unit.legal.size() == 1) {
    return "16-bit: the runtime cannot quantise this module";
  }
  return std::nullopt;
}

// The rule applied to every matrix by itself, whatever the target can store.
void NoteShares(Problem& problem, const RamScores& scores,
                const Thresholds& thresholds) {
  double all = 0, two = 0, sixteen = 0;
  const auto& matrices = problem.model().matrices;
  for (size_t i = 0; i < matrices.size(); ++i) {
    const double weights = static_cast<double>(matrices[i].weights());
    all += weights;
    if (scores.protections[i] || matrices[i].weights() < kSmallestWeights) {
      sixteen += weights;
    } else if (scores.matrices[i]) {
      const int bits = BitsFor(*scores.matrices[i], thresholds);
      if (bits == 2) two += weights;
      if (bits == 16) sixteen += weights;
    }
  }
  problem.notes.push_back(fmt::format(
      "sensitivity span {:.3f}, max 2-bit {:.1f} %, max 16-bit {:.1f} % of the "
      "weights",
      scores.span, all > 0 ? 100 * two / all : 0.0,
      all > 0 ? 100 * sixteen / all : 0.0));
}

void NoteRouters(Problem& problem, const RamScores& scores) {
  uint64_t routers = 0;
  for (const auto& why : scores.protections) {
    if (why && *why == "16-bit: protected as a router") ++routers;
  }
  if (routers == 0) return;
  problem.notes.push_back(fmt::format(
      "{} routers are protected by their role: the published name patterns "
      "miss them",
      routers));
}

void NoteNarrowRanges(Problem& problem, const RamScores& scores) {
  const bool v2 = problem.options.policy == Policy::kRamV2;
  for (size_t m = 0; m < kMetricCount; ++m) {
    const MetricRange& range = scores.ranges[m];
    if (!range.narrow) continue;
    problem.notes.push_back(fmt::format(
        "{}: its 5-95 % range, {:.4g} to {:.4g}, is narrower than {}: {}",
        MetricName(m), range.low, range.high, NarrowFloor(m),
        v2 ? "rescaling amplifies noise and can backfire, as on Qwen3-8B "
             "(perplexity 10.337 against 10.122 of ram-v1)"
           : "its fixed score is used"));
  }
}

}  // namespace

std::vector<RamUnit> RamUnits(const Problem& problem, const RamScores& scores) {
  std::vector<RamUnit> units;
  units.reserve(problem.layout.units.size());
  for (size_t u = 0; u < problem.layout.units.size(); ++u) {
    const Unit& unit = problem.layout.units[u];
    RamUnit ram_unit;
    ram_unit.kept = WhyKept(problem, scores, u);
    double score = 0, weights = 0;
    for (uint32_t member : unit.members) {
      const Matrix& matrix = problem.model().matrices[member];
      if (!scores.matrices[member]) {
        if (ram_unit.kept) continue;
        Fail(ErrorKind::kUsage,
             "--policy {}: {}: found a metric missing in the manifest, "
             "expected all four (run ram analyze --spectra)",
             PolicyName(problem.options.policy), matrix.name);
      }
      const double share = static_cast<double>(matrix.weights());
      score += share * *scores.matrices[member];
      weights += share;
    }
    ram_unit.score = weights > 0 ? score / weights : 0.0;
    units.push_back(std::move(ram_unit));
  }
  return units;
}

int BitsFor(double score, const Thresholds& thresholds) {
  if (score >= thresholds.above_16) return 16;
  if (score >= thresholds.above_8) return 8;
  if (score <= thresholds.below_2) return 2;
  return 4;
}

int GroupFor(int bits, const RamRule& rule) {
  return bits == 2   ? rule.group_2
         : bits == 4 ? rule.group_4
         : bits == 8 ? rule.group_8
                     : 0;
}

namespace {

Scheme WantedFor(const Problem& problem, int bits) {
  return SchemeForRule(problem.target, bits,
                       GroupFor(bits, problem.options.rule));
}

}  // namespace

Scheme SchemeFor(const Problem& problem, const Unit& unit, int bits) {
  const Scheme wanted = WantedFor(problem, bits);
  return wanted == kFloat16Scheme ? wanted
                                  : problem.target.Closest(unit, wanted);
}

std::string BitsReason(int bits, double score, const Thresholds& thresholds) {
  switch (bits) {
    case 16:
      return fmt::format("16-bit: S = {:.3f}, at or above {:.3f}", score,
                         thresholds.above_16);
    case 8:
      return fmt::format("8-bit: S = {:.3f}, at or above {:.3f}", score,
                         thresholds.above_8);
    case 2:
      return fmt::format("2-bit: S = {:.3f}, at or below {:.3f}", score,
                         thresholds.below_2);
    default:
      return fmt::format("4-bit: S = {:.3f}, between {:.3f} and {:.3f}", score,
                         thresholds.below_2, thresholds.above_8);
  }
}

Choice RamChoice(const Problem& problem, const Unit& unit,
                 const RamUnit& ram_unit, int bits,
                 const Thresholds& thresholds) {
  if (ram_unit.kept) return {kFloat16Scheme, ram_unit.score, *ram_unit.kept};
  Choice choice = {SchemeFor(problem, unit, bits), ram_unit.score,
                   BitsReason(bits, ram_unit.score, thresholds)};
  const Scheme wanted = WantedFor(problem, bits);
  if (wanted.bits != bits) {
    choice.reason +=
        fmt::format("; target {} holds no {}-bit weights, so {}",
                    problem.target.name(), bits, SchemeLabel(choice.scheme));
  } else if (choice.scheme != wanted) {
    choice.reason += fmt::format(
        "; {} of {} does not divide rows of {} weights, so {}",
        wanted.kind == SchemeKind::kBlocks ? "the block" : "the group size",
        SchemeLabel(wanted), unit.cols,
        choice.scheme == kFloat16Scheme
            ? "it stays at 16 bits"
            : SchemeLabel(choice.scheme) + " is used");
  }
  return choice;
}

// How many units the target gave more bits than the rule asked for.
void NoteWidths(Problem& problem, const std::vector<RamUnit>& units,
                const Thresholds& thresholds) {
  uint64_t raised = 0;
  for (const RamUnit& unit : units) {
    if (unit.kept) continue;
    const int bits = BitsFor(unit.score, thresholds);
    if (WantedFor(problem, bits).bits != bits) ++raised;
  }
  if (raised == 0) return;
  problem.notes.push_back(fmt::format(
      "{} units would get 2 bits by the rule and get {}: target {} holds no "
      "fewer",
      raised, SchemeLabel(WantedFor(problem, 2)), problem.target.name()));
}

void NoteRam(Problem& problem, const RamScores& scores,
             const std::vector<RamUnit>& units,
             const std::vector<Choice>& choices, const Thresholds& thresholds) {
  uint64_t differ = 0, members = 0, groups = 0;
  for (size_t u = 0; u < units.size(); ++u) {
    const Unit& unit = problem.layout.units[u];
    for (uint32_t member : unit.members) {
      const Matrix& matrix = problem.model().matrices[member];
      ++members;
      if (unit.members.size() == 1) continue;
      const bool kept =
          scores.protections[member] || matrix.weights() < kSmallestWeights;
      if (!kept && !scores.matrices[member]) continue;
      const int own = kept ? 16 : BitsFor(*scores.matrices[member], thresholds);
      if (own != choices[u].scheme.bits) ++differ;
    }
    if (!units[u].kept &&
        choices[u].reason.find("does not divide") != std::string::npos) {
      ++groups;
    }
  }
  problem.notes.push_back(fmt::format(
      "{} of {} matrices would by themselves get other bits than the unit they "
      "are stored in",
      differ, members));
  if (groups > 0) {
    problem.notes.push_back(fmt::format(
        "the rule's group size is illegal for {} units: they take the next "
        "smaller one, or 16 bits where there is none",
        groups));
  }
  NoteWidths(problem, units, thresholds);
  NoteShares(problem, scores, thresholds);
  NoteRouters(problem, scores);
  if (problem.options.policy != Policy::kRamV1) {
    NoteNarrowRanges(problem, scores);
  }
}

std::vector<Choice> DecideRam(Problem& problem) {
  const RamRule& rule = problem.options.rule;
  const RamScores scores =
      ScoreMatrices(problem.manifest, problem.options.policy, rule);
  std::vector<RamUnit> units = RamUnits(problem, scores);
  if (problem.options.policy == Policy::kRamV3) {
    return DecideRamV3(problem, scores, std::move(units));
  }
  const Thresholds thresholds = {rule.above_16, rule.above_8, rule.below_2};
  std::vector<Choice> choices;
  choices.reserve(units.size());
  for (size_t u = 0; u < units.size(); ++u) {
    choices.push_back(RamChoice(problem, problem.layout.units[u], units[u],
                                BitsFor(units[u].score, thresholds),
                                thresholds));
  }
  NoteRam(problem, scores, units, choices, thresholds);
  return choices;
}

}  // namespace ram
