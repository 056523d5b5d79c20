// Experts that changed places: merging tools and expert pruning renumber them.
#pragma once

#include <span>
#include <vector>

#include "ram/checkpoint/checkpoint.h"
#include "ram/xray/compare.h"
#include "ram/xray/compare_pairs.h"

namespace ram {

struct ExpertMatches {
  std::vector<MatrixPair> pairs;  // parallel to the input
  std::vector<MovedExpert> moved;
};

// `strangers`: matrices of experts that do not resemble their namesakes. Each
// expert of the tuned model, all its matrices together, is matched with the
// expert of the same layer of the base whose sketches are nearest (cosine of
// 0.8 or more, each expert once); one without such a match stays paired with
// its namesake. Reads those experts of both models, and all of the base's
// layers that they are in, once.
ExpertMatches MatchExperts(const Checkpoint& base, const Checkpoint& tuned,
                           std::span<const MatrixPair> strangers, int threads);

}  // namespace ram
