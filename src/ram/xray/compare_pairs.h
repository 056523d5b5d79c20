// Which matrices of two models are versions of each other.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ram/checkpoint/checkpoint.h"
#include "ram/xray/compare.h"

namespace ram {

struct MatrixPair {
  uint32_t base = 0;   // Model::matrices
  uint32_t tuned = 0;  // of the other
};

struct PairedModels {
  std::vector<MatrixPair> pairs;  // in the order of the tuned model
  std::vector<std::string> added;
  std::vector<std::string> removed;
  std::vector<VocabularyChange> vocabulary;
  std::vector<std::string> notes;
};

// By canonical names. Throws as Compare does.
PairedModels PairModels(const Checkpoint& base, const Checkpoint& tuned);

}  // namespace ram
