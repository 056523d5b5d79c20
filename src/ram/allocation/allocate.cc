#include "ram/allocation/allocate.h"

#include <cmath>

#include "ram/allocation/decision.h"
#include "ram/allocation/llama_mixes.h"
#include "ram/base/error.h"
#include "ram/base/version.h"

namespace ram {
namespace {

void CheckOptions(const AllocateOptions& options) {
  const int bounds = (options.size_bytes ? 1 : 0) +
                     (options.bits_per_weight ? 1 : 0) +
                     (options.min_safe ? 1 : 0);
  if (bounds > 1) {
    Fail(ErrorKind::kUsage,
         "--size, --bpw and --min-safe: found {} of them, expected at most one",
         bounds);
  }
  const bool takes_budget =
      options.policy == Policy::kRamV3 || options.policy == Policy::kOptimal;
  if (bounds > 0 && !takes_budget) {
    Fail(ErrorKind::kUsage,
         "--policy {}: found a budget, expected none: its size follows from "
         "its rule (use optimal or ram-v3)",
         PolicyName(options.policy));
  }
  if (options.min_safe && options.policy != Policy::kOptimal) {
    Fail(ErrorKind::kUsage, "--min-safe: found policy {}, expected optimal",
         PolicyName(options.policy));
  }
  const double bpw = options.bits_per_weight.value_or(4);
  if (!(bpw > 0 && bpw <= 64)) {
    Fail(ErrorKind::kUsage,
         "--bpw: found {}, expected bits per weight above 0 and at most 64",
         bpw);
  }
}

// In the order of the alphabet, so that reading and writing a plan again
// gives the same bytes.
OrderedJson OptionsToJson(const Target& target, const AllocateOptions& options,
                          Encoder encoder) {
  OrderedJson json;
  if (options.policy == Policy::kUniform && !options.type) {
    json["bits"] = options.bits;
  }
  if (options.bits_per_weight) json["bpw"] = *options.bits_per_weight;
  json["encoder"] = EncoderName(encoder);
  if (options.policy == Policy::kUniform && !options.type) {
    json["group_size"] = UniformScheme(target, options).group_size;
  }
  if (options.policy == Policy::kLike) {
    json["like"] = ParseLlamaMix(options.like);
  }
  if (options.min_safe) json["min_safe"] = true;
  if (PolicyNeedsSpectra(options.policy)) {
    const RamRule& rule = options.rule;
    json["rule"] = {{"above_16", rule.above_16},
                    {"above_8", rule.above_8},
                    {"below_2", rule.below_2},
                    {"group_2", rule.group_2},
                    {"group_4", rule.group_4},
                    {"group_8", rule.group_8},
                    {"protected_names", rule.protected_names},
                    {"weight_kurtosis", rule.weight_kurtosis},
                    {"weight_output", rule.weight_output},
                    {"weight_rounding", rule.weight_rounding},
                    {"weight_spectral", rule.weight_spectral}};
  }
  if (!options.overrides.empty()) {
    OrderedJson& list = json["set"] = OrderedJson::array();
    for (const Override& change : options.overrides) {
      list.push_back(change.Text());
    }
  }
  if (options.size_bytes) json["size"] = *options.size_bytes;
  if (options.policy == Policy::kUniform && options.type) {
    json["type"] = FactsOf(*options.type).name;
  }
  return json;
}

Encoder EncoderFor(const Target& target, const AllocateOptions& options) {
  const Encoder encoder = options.encoder.value_or(
      options.policy == Policy::kUniform ? target.UniformEncoder()
                                         : Encoder::kSearch);
  if (!EncoderFits(encoder, target.kind())) {
    Fail(ErrorKind::kUsage, "--encoder: found {}, expected {} on target {}",
         EncoderName(encoder),
         target.kind() == SchemeKind::kBlocks ? "search or fast"
                                              : "minmax or search",
         target.name());
  }
  return encoder;
}

std::vector<Choice> Decide(Problem& problem, Encoder& encoder) {
  switch (problem.options.policy) {
    case Policy::kUniform:
      return DecideUniform(problem);
    case Policy::kRamV1:
    case Policy::kRamV2:
    case Policy::kRamV3:
      return DecideRam(problem);
    case Policy::kLike:
      return DecideLike(problem);
    case Policy::kOptimal:
      break;
  }
  return DecideOptimal(problem, encoder);
}

void NoteModel(const Problem& problem, Plan& plan) {
  if (!problem.model().known) {
    plan.notes.push_back(fmt::format(
        "architecture {} is unknown: matrices were found by shape, roles "
        "guessed from names, and names are kept as they are in the checkpoint",
        problem.model().architecture.empty() ? "of this model"
                                             : problem.model().architecture));
  }
  uint64_t scales = 0;
  for (const int64_t scale : problem.model().block_scales) {
    if (scale >= 0) ++scales;
  }
  if (scales > 0) {
    plan.notes.push_back(fmt::format(
        "{} tensors of FP8 block scales are merged into their weights",
        scales));
  }
  if (auto note = QuantizedNote(problem.model())) {
    plan.notes.push_back(*std::move(note));
  }
  if (!plan.dropped.empty()) {
    plan.notes.push_back(fmt::format("{} tensors are dropped (see \"dropped\")",
                                     plan.dropped.size()));
  }
}

}  // namespace

Plan Allocate(const Manifest& manifest, const Target& target,
              const AllocateOptions& options) {
  CheckOptions(options);
  Problem problem(manifest, target, options);
  Encoder encoder = EncoderFor(target, options);
  std::vector<Choice> choices = Decide(problem, encoder);

  Plan plan;
  plan.tool = kToolVersion;
  plan.target = target.name();
  plan.policy = PolicyName(options.policy);
  plan.options = OptionsToJson(target, options, encoder);
  plan.notes = std::move(problem.notes);
  std::vector<Scheme> schemes;
  for (size_t u = 0; u < problem.layout.units.size(); ++u) {
    const Unit& unit = problem.layout.units[u];
    Choice& choice = choices[u];
    if (problem.settled[u]) {
      choice.scheme = problem.settled[u]->scheme;
      choice.reason = problem.settled[u]->reason;
    }
    PlannedUnit planned;
    planned.unit = unit.name;
    for (uint32_t member : unit.members) {
      planned.tensors.push_back(manifest.model.matrices[member].name);
    }
    planned.scheme = choice.scheme;
    planned.encoder = encoder;
    planned.weights = unit.weights();
    planned.bytes = unit.bytes(choice.scheme);
    planned.nmse = problem.Nmse(unit, choice.scheme, encoder);
    planned.score = choice.score;
    planned.reason = std::move(choice.reason);
    planned.candidates = std::move(choice.candidates);
    plan.units.push_back(std::move(planned));
    schemes.push_back(choice.scheme);
  }
  plan.dropped = problem.layout.dropped;
  plan.totals = problem.Totals(schemes);
  NoteModel(problem, plan);
  for (std::string& note : target.Notes(problem.layout, schemes)) {
    plan.notes.push_back(std::move(note));
  }
  return plan;
}

}  // namespace ram
