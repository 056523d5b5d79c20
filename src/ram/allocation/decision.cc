#include "ram/allocation/decision.h"

#include <algorithm>
#include <cmath>

#include "ram/allocation/glob.h"
#include "ram/base/byte_size.h"
#include "ram/base/error.h"

namespace ram {
namespace {

void SettleNonfinite(Problem& problem) {
  uint64_t count = 0;
  for (size_t u = 0; u < problem.layout.units.size(); ++u) {
    for (uint32_t member : problem.layout.units[u].members) {
      const uint64_t nonfinite = problem.record(member).nonfinite;
      if (nonfinite == 0) continue;
      problem.settled[u] = {
          kFloat16Scheme, fmt::format("16-bit: {} holds {} NaN or Inf",
                                      problem.record(member).name, nonfinite)};
      ++count;
      break;
    }
  }
  if (count > 0) {
    problem.notes.push_back(
        fmt::format("{} units hold NaN or Inf and stay at 16 bits", count));
  }
}

Scheme OverrideScheme(const Problem& problem, const Override& change,
                      const Unit& unit) {
  const Target& target = problem.target;
  const auto wanted = change.type
                          ? std::optional(Blocks(*change.type))
                          : target.SchemeOf(change.bits, change.group_size);
  const auto known = target.Schemes();
  if (!wanted ||
      std::find(known.begin(), known.end(), *wanted) == known.end()) {
    Fail(ErrorKind::kUsage,
         "--set '{}': found what target {} cannot hold, expected {} or 16",
         change.Text(), target.name(), SchemesText(target));
  }
  if (!change.group_size && !change.type) return target.Closest(unit, *wanted);
  if (std::find(unit.legal.begin(), unit.legal.end(), *wanted) ==
      unit.legal.end()) {
    Fail(ErrorKind::kUsage,
         "--set '{}': found {}, whose rows of {} weights cannot be stored so, "
         "expected a {} that divides them",
         change.Text(), unit.name, unit.cols,
         change.type ? "block" : "group size");
  }
  return *wanted;
}

void SettleOverride(Problem& problem, const Override& change) {
  uint64_t matches = 0, kept = 0;
  for (size_t u = 0; u < problem.layout.units.size(); ++u) {
    const Unit& unit = problem.layout.units[u];
    if (!GlobMatches(change.pattern, unit.name)) continue;
    ++matches;
    // Only what SettleNonfinite settled cannot be overridden.
    const bool nonfinite =
        problem.settled[u] && !problem.settled[u]->reason.starts_with("--set");
    const Scheme scheme =
        nonfinite || unit.legal.size() == 1 || change.bits == 16
            ? kFloat16Scheme
            : OverrideScheme(problem, change, unit);
    if (scheme.bits != change.bits) ++kept;
    if (nonfinite) continue;
    problem.settled[u] = {
        scheme, fmt::format("--set '{}'{}", change.Text(),
                            scheme.bits == change.bits
                                ? ""
                                : fmt::format(": that cannot be stored here, "
                                              "so it takes {}",
                                              SchemeLabel(scheme)))};
  }
  if (matches == 0) {
    Fail(ErrorKind::kUsage,
         "--set '{}': found no unit of that name on target {}, expected at "
         "least one of its {} (for example {})",
         change.Text(), problem.target.name(), problem.layout.units.size(),
         problem.layout.units.empty() ? "none"
                                      : problem.layout.units.front().name);
  }
  if (kept > 0) {
    problem.notes.push_back(
        fmt::format("--set '{}': {} of {} units cannot be stored so and take "
                    "other bits, or 16",
                    change.Text(), kept, matches));
  }
}

uint64_t PlainElements(const PlainTensor& plain) {
  uint64_t elements = 1;
  for (uint64_t dimension : plain.shape) elements *= dimension;
  return elements;
}

}  // namespace

Problem::Problem(const Manifest& manifest_in, const Target& target_in,
                 const AllocateOptions& options_in)
    : manifest(manifest_in),
      target(target_in),
      options(options_in),
      layout(target_in.Describe(manifest_in.model)),
      settled(layout.units.size()) {
  layout.metadata_bytes = manifest.gguf_metadata_bytes.value_or(0);
  if (manifest.matrices.size() != model().matrices.size()) {
    Fail(ErrorKind::kCorrupt,
         "manifest: matrices: found {}, expected {}: one for each matrix of "
         "the model",
         manifest.matrices.size(), model().matrices.size());
  }
  for (auto& encoder : measured) encoder.fill(-1);
  for (size_t i = 0; i < manifest.schemes.size(); ++i) {
    const auto& [scheme, encoder] = manifest.schemes[i];
    const int place = SchemeIndex(scheme);
    if (place < 0) continue;
    measured[static_cast<size_t>(encoder)][static_cast<size_t>(place)] =
        static_cast<int>(i);
  }
  SettleNonfinite(*this);
  for (const Override& change : options.overrides) {
    SettleOverride(*this, change);
  }
}

bool Problem::IsEmbedding(const Unit& unit) const {
  const Matrix& first = model().matrices[unit.members.front()];
  return first.role == "embed_tokens" && first.section == Section::kText;
}

bool Problem::IsHead(const Unit& unit) const {
  const Matrix& first = model().matrices[unit.members.front()];
  if (first.section != Section::kText) return false;
  return first.role == "lm_head" || (model().tied_head && IsEmbedding(unit));
}

uint64_t Problem::TensorBytes(std::span<const Scheme> schemes) const {
  uint64_t bytes = 0;
  for (size_t u = 0; u < schemes.size(); ++u) {
    bytes += layout.units[u].bytes(schemes[u]);
  }
  for (const PlainTensor& plain : layout.plain) {
    bytes += PlainElements(plain) * DTypeBytes(plain.dtype);
  }
  return bytes;
}

uint64_t Problem::FileBytes(std::span<const Scheme> schemes) const {
  return target.FileBytes(layout, schemes);
}

PlanTotals Problem::Totals(std::span<const Scheme> schemes) const {
  PlanTotals totals;
  totals.bytes = TensorBytes(schemes);
  totals.file_bytes = FileBytes(schemes);
  double bits = 0;
  const auto add = [&](int width, uint64_t weights) {
    totals.weights += weights;
    totals.weights_per_bits[width] += weights;
    bits += static_cast<double>(width) * static_cast<double>(weights);
  };
  for (size_t u = 0; u < schemes.size(); ++u) {
    add(schemes[u].bits, layout.units[u].weights());
  }
  for (const PlainTensor& plain : layout.plain) {
    add(static_cast<int>(8 * DTypeBytes(plain.dtype)), PlainElements(plain));
  }
  if (totals.weights > 0) {
    const double weights = static_cast<double>(totals.weights);
    totals.nominal_bits = bits / weights;
    totals.bits_per_weight = 8.0 * static_cast<double>(totals.bytes) / weights;
  }
  return totals;
}

std::optional<double> Problem::MemberNmse(const Unit& unit, uint32_t member,
                                          const Scheme& scheme,
                                          Encoder encoder) const {
  if (scheme.kind == SchemeKind::kFloat) {
    const TensorInfo& source = model().tensors[model().matrices[member].tensor];
    if (source.storage.dense() && source.dtype == unit.kept_dtype) return 0.0;
    return record(member).kept_nmse;
  }
  const int place = SchemeIndex(scheme);
  if (place < 0) return std::nullopt;
  const int index =
      measured[static_cast<size_t>(encoder)][static_cast<size_t>(place)];
  if (index < 0) return std::nullopt;
  const std::vector<double>& nmse = record(member).nmse;
  const size_t at = static_cast<size_t>(index);
  if (nmse.size() <= at || !std::isfinite(nmse[at])) return std::nullopt;
  return nmse[at];
}

std::optional<double> Problem::Nmse(const Unit& unit, const Scheme& scheme,
                                    Encoder encoder) const {
  double error = 0, norm = 0;
  for (uint32_t member : unit.members) {
    const auto nmse = MemberNmse(unit, member, scheme, encoder);
    if (!nmse) return std::nullopt;
    error += *nmse * record(member).squared_norm;
    norm += record(member).squared_norm;
  }
  return norm > 0 ? error / norm : 0.0;
}

Scheme SchemeForRule(const Target& target, int bits, int group_size) {
  const auto group = target.kind() == SchemeKind::kAffine
                         ? std::optional(group_size)
                         : std::nullopt;
  for (; bits < 16; ++bits) {
    if (const auto scheme = target.SchemeOf(bits, group)) return *scheme;
  }
  return kFloat16Scheme;
}

Scheme UniformScheme(const Target& target, const AllocateOptions& options) {
  const auto scheme = options.type
                          ? std::optional(Blocks(*options.type))
                          : target.SchemeOf(options.bits, options.group_size);
  const auto known = target.Schemes();
  if (scheme && std::find(known.begin(), known.end(), *scheme) != known.end()) {
    return *scheme;
  }
  std::string found =
      options.type ? fmt::format("--type {}", FactsOf(*options.type).name)
                   : fmt::format("--bits {}", options.bits);
  if (!options.type && options.group_size) {
    found += fmt::format(" --group-size {}", *options.group_size);
  }
  Fail(ErrorKind::kUsage, "{}: found what target {} cannot hold, expected {}",
       found, target.name(), SchemesText(target));
}

Scheme Yardstick(const Target& target) {
  return UniformScheme(target, AllocateOptions());
}

std::optional<Budget> GivenBudget(const Problem& problem) {
  if (problem.options.size_bytes) {
    return Budget{true, *problem.options.size_bytes};
  }
  if (problem.options.bits_per_weight) {
    uint64_t weights = 0;
    for (const Unit& unit : problem.layout.units) weights += unit.weights();
    for (const PlainTensor& plain : problem.layout.plain) {
      weights += PlainElements(plain);
    }
    return Budget{false, static_cast<uint64_t>(
                             std::floor(*problem.options.bits_per_weight *
                                        static_cast<double>(weights) / 8.0))};
  }
  return std::nullopt;
}

Budget BudgetOrDefault(const Problem& problem) {
  if (const auto given = GivenBudget(problem)) return *given;
  return {true, problem.FileBytes(
                    UniformSchemes(problem, Yardstick(problem.target)))};
}

uint64_t BytesFor(const Problem& problem, const Budget& budget,
                  std::span<const Scheme> schemes) {
  return budget.files ? problem.FileBytes(schemes)
                      : problem.TensorBytes(schemes);
}

void FailBudget(const Problem& problem, uint64_t smallest_bytes) {
  const std::string smallest = fmt::format(
      "the smallest this model can be on target {} is {} bytes "
      "({})",
      problem.target.name(), smallest_bytes, FormatByteSize(smallest_bytes));
  if (problem.options.bits_per_weight) {
    Fail(ErrorKind::kGate, "budget of {} bits per weight cannot be met: {}",
         *problem.options.bits_per_weight, smallest);
  }
  Fail(ErrorKind::kGate, "budget {} cannot be met: {}",
       FormatByteSize(problem.options.size_bytes.value_or(0)), smallest);
}

std::vector<Scheme> UniformSchemes(const Problem& problem,
                                   const Scheme& wanted) {
  std::vector<Scheme> schemes;
  schemes.reserve(problem.layout.units.size());
  for (size_t u = 0; u < problem.layout.units.size(); ++u) {
    schemes.push_back(
        problem.settled[u]
            ? problem.settled[u]->scheme
            : problem.target.Closest(problem.layout.units[u], wanted));
  }
  return schemes;
}

}  // namespace ram
