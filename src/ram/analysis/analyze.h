// One streaming pass over a checkpoint: every metric, and the error of every
// wanted scheme, for every canonical matrix. Memory does not grow with the
// model.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "ram/analysis/manifest.h"
#include "ram/base/progress.h"
#include "ram/checkpoint/checkpoint.h"

namespace ram {

enum class Spectra : uint8_t { kNone, kTop, kFull };

struct AnalyzeOptions {
  uint64_t seed = 42;
  int threads = 0;
  bool digests = true;  // SHA-256 of every file
  Spectra spectra = Spectra::kNone;
  // The kinds of schemes to measure; min-max affine ones always are.
  bool affine = true;
  bool blocks = false;
  bool ints = false;
  bool search = true;        // measure the searching encoders, the affine
                             // one on the hulls
  bool fast_blocks = false;  // instead of the best effort
  // Of blocks: only those that could be on a hull.
  bool every_block_type = true;
  bool every_int_width = true;   // else 4 and 8 bits alone
  bool allow_nonfinite = false;  // else NaN or Inf is an error
};

// What the X-ray and importance work need beyond the manifest; parallel to
// Model::matrices.
struct MatrixProfile {
  std::vector<float> row_norms;              // [rows], Euclidean
  std::vector<float> column_second_moments;  // [cols], mean over rows of w^2
  uint64_t hash = 0;                         // XXH3 of the weights as stored
  std::vector<float> sketch;                 // [64] for experts, else empty
  std::vector<float> singular_values;        // only with Spectra::kFull
  uint64_t at_absmax = 0;  // weights of the largest magnitude; 0 with NaN
  // Share of different numbers among 32 neighbours that are not zero: near 1,
  // unless the weights lie on a coarse grid. 1 where nothing was sampled.
  float distinct = 1;
};

// Receives profiles in the order of the matrices, so that they need not all be
// held in memory.
class ProfileSink {
 public:
  virtual ~ProfileSink() = default;
  virtual void Add(const Matrix& matrix, MatrixProfile profile) = 0;
  // Once all are there, for every router: the share of simulated tokens that
  // each expert gets [experts] (router_load.h), or nothing where unknown.
  virtual void AddRouterLoad(const Matrix&, std::vector<float>) {}
};

// Throws kCorrupt on NaN or Inf (names tensor and index) unless allowed, kIo
// when a file changes meanwhile, kInterrupted.
Manifest Analyze(const Checkpoint& checkpoint, const AnalyzeOptions& options,
                 ProfileSink* profiles, Progress& progress);

}  // namespace ram
