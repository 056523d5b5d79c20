// What all policies work on: the units of the target, what is settled before
// any policy is asked, and exact bytes.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ram/allocation/allocate.h"

namespace ram {

// A unit whose scheme no policy may choose.
struct Settled {
  Scheme scheme;
  std::string reason;
};

struct Problem {
  // Describes the model on the target; settles units that hold NaN or Inf, and
  // those that --set names. Throws as Allocate does.
  Problem(const Manifest& manifest_in, const Target& target_in,
          const AllocateOptions& options_in);

  const Manifest& manifest;
  const Target& target;
  const AllocateOptions& options;
  TargetLayout layout;
  std::vector<std::optional<Settled>> settled;  // parallel to layout.units
  std::vector<std::string> notes;
  // Where in MatrixRecord::nmse a scheme is (by Encoder and SchemeIndex); -1
  // where it was not measured.
  std::array<std::array<int, kSchemeCount>, kEncoderCount> measured;

  const Model& model() const { return manifest.model; }
  const MatrixRecord& record(uint32_t matrix) const {
    return manifest.matrices[matrix];
  }
  // Whether the unit is the embedding table of the text model, the output
  // head, or both in one.
  bool IsEmbedding(const Unit& unit) const;
  bool IsHead(const Unit& unit) const;

  // Bytes of every tensor, plain ones included.
  uint64_t TensorBytes(std::span<const Scheme> schemes) const;
  uint64_t FileBytes(std::span<const Scheme> schemes) const;
  PlanTotals Totals(std::span<const Scheme> schemes) const;
  // The error of a unit stored so; nullopt when a member was not measured.
  std::optional<double> Nmse(const Unit& unit, const Scheme& scheme,
                             Encoder encoder) const;
  // The same of one member.
  std::optional<double> MemberNmse(const Unit& unit, uint32_t member,
                                   const Scheme& scheme, Encoder encoder) const;
};

// What a rule that wants so many bits gets on this target: the same or, where
// it holds no such width, the next one up. Other formats than affine have
// groups of their own.
Scheme SchemeForRule(const Target& target, int bits, int group_size);
// The scheme that `uniform` gives where the unit can hold it. Throws kUsage,
// naming what the target can hold.
Scheme UniformScheme(const Target& target, const AllocateOptions& options);
// Without options: what budgets and --min-safe are measured by.
Scheme Yardstick(const Target& target);

// What a policy decided for one unit.
struct Choice {
  Scheme scheme;
  std::optional<double> score;
  std::string reason;
  std::vector<Candidate> candidates = {};
};

// Throws kGate: "budget 1.0 MiB cannot be met: ...".
[[noreturn]] void FailBudget(const Problem& problem, uint64_t smallest_bytes);

// The bound on file or tensor bytes that the options set; nullopt for none.
struct Budget {
  bool files = false;  // else tensors
  uint64_t bytes = 0;
};
std::optional<Budget> GivenBudget(const Problem& problem);
// The given one, or the bytes of the yardstick.
Budget BudgetOrDefault(const Problem& problem);
uint64_t BytesFor(const Problem& problem, const Budget& budget,
                  std::span<const Scheme> schemes);

// The policies. Settled units keep their scheme whatever is returned.
std::vector<Choice> DecideUniform(Problem& problem);
std::vector<Choice> DecideRam(Problem& problem);
std::vector<Choice> DecideOptimal(Problem& problem, Encoder& encoder);

// The closest to `wanted` for all units, settled ones as they are.
std::vector<Scheme> UniformSchemes(const Problem& problem,
                                   const Scheme& wanted);

}  // namespace ram
