// What became of a model: tuned, merged, pruned or quantised against what it
// was made from, matrix by matrix, in one streaming pass over both and, where
// something changed, a few more over that.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/base/progress.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/xray/compare_alignment.h"
#include "ram/xray/compare_grid.h"
#include "ram/xray/compare_sums.h"

namespace ram {

enum class ChangeKind : uint8_t {
  kSame,       // bit for bit as floats
  kRounding,   // no more than rounding to the tuned type leaves
  kScaled,     // a number times what it was
  kPruned,     // weights set to zero, the others as they were
  kQuantized,  // stored as codes, or on a grid of few levels
  kLowRank,    // a low-rank update, as LoRA makes
  kFullRank,   // anything else
};
std::string_view ChangeKindName(ChangeKind kind);  // "low rank"

struct MatrixChange {
  std::string name;
  std::string role;
  int layer = -1;
  int expert = -1;
  // Of the base: itself, unless experts changed places.
  std::string base_name;
  uint64_t rows = 0;  // that both have
  uint64_t cols = 0;
  std::string base_storage;  // "BF16", "4-bit g64"
  std::string tuned_storage;
  PairSums sums;
  ChangeKind kind = ChangeKind::kSame;
  std::string detail;  // "rank 8", "2:4, 50.0 % zeros", "x 1.100"
  // Of low-rank and full-rank changes:
  double rounding_edge = 0;  // RoundingEdge
  std::optional<uint64_t> rank;
  std::optional<double> energy_1;   // of the largest singular value, in [0, 1]
  std::optional<double> energy_16;  // of the 16 largest
  std::optional<ChangeAlignment> alignment;  // unless the base is zero
  std::vector<float> direction = {};  // in the residual stream; may be empty

  double relative_change() const;  // |tuned - base| / |base|
  double cosine() const;           // of the angle between them
  double changed_share() const;
  double scale() const;  // that brings base nearest to tuned
};

// An expert that stands in another place than in the base.
struct MovedExpert {
  int layer = 0;
  int from = 0;
  int to = 0;
  double cosine = 0;  // of the sketches of its matrices
};

// A table whose rows are tokens, longer or shorter than in the base.
struct VocabularyChange {
  std::string name;
  uint64_t base_rows = 0;
  uint64_t tuned_rows = 0;
};

// A tensor that is no matrix: a norm, a bias.
struct PlainChange {
  std::string name;
  double relative_change = 0;  // |tuned - base| / |base|
  uint64_t changed = 0;
  uint64_t elements = 0;
};

struct ConfigChange {
  std::string key;   // "rope_scaling.factor"
  std::string base;  // as JSON; empty: not there
  std::string tuned;
};

struct Comparison {
  std::string base;
  std::string tuned;
  uint64_t base_weights = 0;
  uint64_t tuned_weights = 0;
  std::vector<MatrixChange> matrices;  // in the order of the tuned model
  std::vector<std::string> added;      // tensors and matrices, by name
  std::vector<std::string> removed;
  std::vector<PlainChange> plain;  // those that changed
  uint64_t plain_compared = 0;
  std::vector<VocabularyChange> vocabulary;
  std::vector<std::string> new_tokens;  // their text, where tokenizers are
  std::vector<MovedExpert> moved;
  std::vector<ConfigChange> config;
  // Share of the squared first directions of change that one direction of the
  // residual stream holds, over that many matrices; and what chance would give.
  std::optional<double> common_direction;
  uint64_t directions = 0;
  double chance_direction = 0;
  std::vector<std::string> notes;
};

struct CompareOptions {
  uint64_t seed = 42;
  int threads = 0;
};

// Throws kUnsupported, naming what differs, for models of different
// architectures or whose matrices of one name have different shapes (a table of
// the vocabulary may have more or fewer rows, a router experts); kCorrupt for
// NaN and infinity. `new_tokens` and notes on tokenizers are left to the
// caller.
Comparison Compare(const Checkpoint& base, const Checkpoint& tuned,
                   const CompareOptions& options, Progress& progress);

// What is the same in many matrices, in words: the first paragraph.
std::vector<std::string> CompareInWords(const Comparison& comparison);
OrderedJson ComparisonToJson(const Comparison& comparison);

}  // namespace ram
