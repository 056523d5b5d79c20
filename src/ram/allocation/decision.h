// What all policies work on: the units of the target, what is settled before
// any policy is asked, and exact bytes.
#pragma once

#include <array>
#include <cstdint>
#include <map>
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
  // Where in MatrixRecord::nmse an affine scheme is, by min-max and by search;
  // -1 where it was not measured.
  std::array<std::array<int, kAffineSchemeCount>, 2> measured;

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

// The scheme of these bits with the largest legal group size not above
// group_size; 16 bits when there is none.
Scheme LegalOrSmaller(const Unit& unit, int bits, int group_size);

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
// The given one, or the bytes of uniform 4-bit g64.
Budget BudgetOrDefault(const Problem& problem);
uint64_t BytesFor(const Problem& problem, const Budget& budget,
                  std::span<const Scheme> schemes);

// The policies. Settled units keep their scheme whatever is returned.
std::vector<Choice> DecideUniform(Problem& problem);
std::vector<Choice> DecideRam(Problem& problem);
std::vector<Choice> DecideOptimal(Problem& problem, Encoder& encoder);

// Uniform (bits, group) over all units, settled ones as they are.
std::vector<Scheme> UniformSchemes(const Problem& problem, int bits,
                                   int group_size);

}  // namespace ram
