#include "ram/allocation/decision.h"
#include "ram/base/error.h"

namespace ram {
namespace {

const char* GroupWord(const Scheme& scheme) {
  return scheme.kind == SchemeKind::kBlocks ? "the block" : "the group size";
}

}  // namespace

std::vector<Choice> DecideUniform(Problem& problem) {
  const Scheme wanted = UniformScheme(problem.target, problem.options);
  const std::vector<Scheme> schemes = UniformSchemes(problem, wanted);
  std::vector<Choice> choices;
  choices.reserve(schemes.size());
  uint64_t smaller = 0, kept = 0;
  for (size_t u = 0; u < schemes.size(); ++u) {
    Choice choice{schemes[u], std::nullopt, "uniform"};
    const Unit& unit = problem.layout.units[u];
    if (problem.settled[u]) {
      choice.reason = problem.settled[u]->reason;
    } else if (schemes[u] == kFloat16Scheme) {
      choice.reason =
          unit.legal.size() > 1 || unit.cols % 32 == 0
              ? "16-bit: the runtime cannot quantise this module"
              : fmt::format(
                    "16-bit: no {} divides rows of {} weights",
                    wanted.kind == SchemeKind::kBlocks ? "block" : "group size",
                    unit.cols);
      ++kept;
    } else if (schemes[u] != wanted) {
      choice.reason = fmt::format(
          "uniform: {} of {} does not divide rows of {} weights, {} does",
          GroupWord(wanted), SchemeLabel(wanted), unit.cols,
          SchemeLabel(schemes[u]));
      ++smaller;
    }
    choices.push_back(std::move(choice));
  }
  if (smaller > 0) {
    problem.notes.push_back(fmt::format(
        "{} of {} is illegal for {} units, which take a smaller one",
        GroupWord(wanted), SchemeLabel(wanted), smaller));
  }
  if (kept > 0) {
    problem.notes.push_back(fmt::format(
        "{} units cannot be quantised on target {} and stay at 16 bits", kept,
        problem.target.name()));
  }
  return choices;
}

}  // namespace ram
