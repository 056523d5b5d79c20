// How each of ggml's block types is searched: its shape, and where the search
// starts.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ram/tensor/ggml_type.h"

namespace ram {

// Weights are searched in tiles of 16 lanes; a lane is a run of weights that
// share a scale.
inline constexpr size_t kBlockLanes = 16;
inline constexpr size_t kBlockTileWeights = kBlockLanes * 32;

enum class BlockImportance : uint8_t { kNone, kMagnitude, kSquare, kRms };

struct BlockPlan {
  GgmlType type;
  size_t rows;        // weights of a run: 16 or 32
  size_t runs;        // runs of a block: 1, 8 or 16
  bool offset;        // weight = scale * code - min; else scale * code
  int lowest;         // code
  int highest;        // code
  int lowest_scale;   // of a run in a block of several
  int highest_scale;  // of a run, and of its min
  BlockImportance importance;
  float power;  // times mean w^2, with column weights; negative: leave it out
};

inline constexpr std::array<BlockPlan, 12> kBlockPlans = {{
    {GgmlType::kQ8_0, 32, 1, false, -128, 127, 0, 0, BlockImportance::kNone, 1},
    {GgmlType::kQ4_0, 32, 1, false, -8, 7, 0, 0, BlockImportance::kNone, 1},
    {GgmlType::kQ5_0, 32, 1, false, -16, 15, 0, 0, BlockImportance::kNone, 1},
    {GgmlType::kQ4_1, 32, 1, true, 0, 15, 0, 0, BlockImportance::kNone, 1},
    {GgmlType::kQ5_1, 32, 1, true, 0, 31, 0, 0, BlockImportance::kNone, 1},
    {GgmlType::kIQ4_NL, 32, 1, false, -127, 113, 0, 0, BlockImportance::kSquare,
     2},
    {GgmlType::kQ6_K, 16, 16, false, -32, 31, -128, 127,
     BlockImportance::kSquare, -1},
    {GgmlType::kQ3_K, 16, 16, false, -4, 3, -32, 31, BlockImportance::kSquare,
     2},
    {GgmlType::kIQ4_XS, 32, 8, false, -127, 113, -32, 31,
     BlockImportance::kSquare, 2},
    {GgmlType::kQ2_K, 16, 16, true, 0, 3, 0, 15, BlockImportance::kMagnitude,
     1},
    {GgmlType::kQ4_K, 32, 8, true, 0, 15, 0, 63, BlockImportance::kRms, 2},
    {GgmlType::kQ5_K, 32, 8, true, 0, 31, 0, 63, BlockImportance::kRms, 2},
}};

// nullptr for a type that has no plan.
constexpr const BlockPlan* BlockPlanOf(GgmlType type) {
  for (const BlockPlan& plan : kBlockPlans) {
    if (plan.type == type) return &plan;
  }
  return nullptr;
}

// What the largest scale of a block is divided by for a step d, which all its
// scales are multiples of: one candidate a lane.
struct StepDivisors {
  alignas(64) float at[kBlockLanes];
};

// Where the search for a scale starts and how far it goes.
struct ScaleStarts {
  GgmlType type;
  // On which code the largest weight falls: in the rounding to nearest, and
  // in each start.
  float plain;
  size_t count;
  std::array<float, 10> codes;
  int refits;
  // Blocks of several runs: the scale of a run is tried `reach` steps up and
  // down.
  StepDivisors divisors;
  int reach;
};

// The least weight falls on code `below`, the largest on `above` more than the
// highest code.
struct PairEnds {
  float below;
  float above;
};

// Steps from the whole numbers of a scale and its min, in the order in which
// they are tried.
struct WholeStep {
  float scale;
  float min;
};
inline constexpr std::array<WholeStep, 9> kWholeSteps = {{{0, 0},
                                                          {-1, 0},
                                                          {1, 0},
                                                          {0, 1},
                                                          {0, -1},
                                                          {-2, 0},
                                                          {2, 0},
                                                          {-1, 1},
                                                          {1, -1}}};

struct PairStarts {
  GgmlType type;
  size_t count;
  std::array<PairEnds, 10> ends;
  int refits;
  // Blocks of several runs: d_min is the largest min over one of the first
  // min_divisors.
  StepDivisors divisors;
  size_t min_divisors;
  // How many of kWholeSteps are tried, before the last refit and after it.
  size_t early;
  size_t neighbours;
};

// For the types whose plan has no offset, and for those whose plan has one.
const ScaleStarts& ScaleStartsOf(GgmlType type, bool best);
const PairStarts& PairStartsOf(GgmlType type, bool best);

}  // namespace ram
