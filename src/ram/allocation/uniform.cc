#include "ram/allocation/decision.h"
#include "ram/base/error.h"

namespace ram {

std::vector<Choice> DecideUniform(Problem& problem) {
  const int bits = problem.options.bits;
  const int group = problem.options.group_size;
  const Scheme wanted = Affine(bits, group);
  const std::vector<Scheme> schemes = UniformSchemes(problem, bits, group);
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
              : fmt::format("16-bit: no group size divides rows of {} weights",
                            unit.cols);
      ++kept;
    } else if (schemes[u] != wanted) {
      choice.reason = fmt::format(
          "uniform: group size {} does not divide rows of {} weights, {} does",
          group, unit.cols, schemes[u].group_size);
      ++smaller;
    }
    choices.push_back(std::move(choice));
  }
  if (smaller > 0) {
    problem.notes.push_back(fmt::format(
        "group size {} is illegal for {} units, which take a smaller one",
        group, smaller));
  }
  if (kept > 0) {
    problem.notes.push_back(fmt::format(
        "{} units cannot be quantised on target {} and stay at 16 bits", kept,
        problem.target.name()));
  }
  return choices;
}

}  // namespace ram
