// Leading eigenvalues of large symmetric positive semi-definite matrices by
// the randomised block Krylov method (Musco and Musco 2015): Rayleigh-Ritz on
// the span of X, A X, A^2 X, ..., X random. Ritz values never exceed the true
// ones; for 256 of a flat spectrum their sum is under 1 % short.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

#include "ram/analysis/gram.h"
#include "ram/base/random.h"

namespace ram {

// y = A x, both [padded, kTile] contiguous, where padded is the size of A
// rounded up to kTile; rows past the size are zero and must stay so.
using BlockOperator = std::function<void(const float* x, float* y)>;

// A = gram. Keeps a reference to it.
BlockOperator GramOperator(const TiledGram& gram, int threads);

// A = the Gram matrix of scale * W over its smaller side, which is never
// formed: reads all of W in every application (twice where cols > rows), once
// for all where it has up to 4 Mi weights. Memory: 8 Mi floats, and kTile
// floats per row or column of the larger side.
BlockOperator WeightsOperator(const RowReader& read, uint64_t rows,
                              uint64_t cols, float scale, int threads);

// The `count` largest eigenvalues of A [size, size], descending, whose largest
// eigenvalue should be about 1 or more. Memory: at most 112 MiB.
std::vector<double> KrylovEigenvalues(const BlockOperator& apply, size_t size,
                                      size_t count, int bits,
                                      const CounterRandom& random, int threads);

}  // namespace ram
