// What models make of given tokens: the log-probability of each, and the
// distance from a baseline. Runs matrix by matrix and layer by layer over all
// segments at once, so each weight is read once and no model has to fit.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ram/base/progress.h"
#include "ram/checkpoint/checkpoint.h"

namespace ram {

class KeptLayers;

// A run of tokens that continues another one. Segments form a forest: what
// many texts begin with (the shots of a benchmark, a question) is a segment of
// its own and is computed once.
struct Segment {
  std::vector<int32_t> tokens;  // one or more
  // The index of an earlier segment whose tokens, after those of its own
  // parents, come before; -1: none.
  int64_t parent = -1;
  // tokens[first_scored..] are scored. The first token of a segment without a
  // parent has nothing before it and is never scored.
  uint32_t first_scored = 0;
};

struct TokenScore {
  float log_prob = 0;  // natural logarithm
  bool top = false;    // no token is more likely (the lowest id wins a tie)
};

// Against the baseline's distribution at the same place.
struct TokenComparison {
  float kl = 0;  // D(baseline || model) in nats, >= 0
  bool same_top = false;
};

struct ModelScores {
  std::vector<TokenScore> tokens;  // every scored token, segment by segment
  std::vector<TokenComparison> comparisons;  // parallel; empty for the baseline
  double seconds = 0;                        // of this model's passes
};

enum class ComputeType : uint8_t {
  // Products of bf16 numbers, sums in f32; norms, softmax, rotation, routing
  // and the residual stream in f32. Where the processor does not multiply
  // bf16 numbers itself (AVX512_BF16, AMX), kF32 is used instead.
  kBF16,
  kF32,
};

struct ScoreOptions {
  int threads = 0;  // 0: one per processor
  ComputeType compute = ComputeType::kBF16;
  // What activations may take in memory; above it they lie in a file in
  // `work_directory`. What a thread works with comes on top.
  uint64_t memory_bytes = uint64_t{512} << 20;
  std::filesystem::path work_directory;  // empty: the system's folder for it
  // Keeps the state of the model at work on disk from time to time; may be
  // null.
  KeptLayers* kept_layers = nullptr;
  bool compare = true;                        // against models[0]
  std::string_view segment_word = "segment";  // in messages: "window"
  Progress* progress = nullptr;
  // Called as soon as a model is done, in order, from the calling thread; it
  // may throw. The baseline is done with the model after it if they are
  // compared, as both pass the vocabulary together. Without it all models
  // share one pass over the vocabulary.
  std::function<void(size_t model, const ModelScores& scores)> on_model_done;
};

// The number of tokens that are scored.
uint64_t ScoredTokens(std::span<const Segment> segments);

// Throws kUsage where a segment is empty, its parent is not an earlier one,
// first_scored lies behind its end, or a token is outside [0, vocabulary).
void CheckSegments(std::span<const Segment> segments, uint64_t vocabulary);

// The scores of every model over the same segments; models[0] is the baseline.
// All have the same vocabulary. Throws kUnsupported for an architecture that
// can be analysed but not evaluated, kCorrupt for NaN ("...: found NaN in
// layer L of window W").
std::vector<ModelScores> ScoreSegments(
    std::span<const Checkpoint* const> models,
    std::span<const Segment> segments, const ScoreOptions& options);

}  // namespace ram
