// A model that is wholly in memory, as stored, and goes on with texts token by
// token. The layers are those of ScoreSegments.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "ram/base/worker_pool.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/evaluation/key_value_cache.h"
#include "ram/evaluation/transformer_config.h"

namespace ram {

// One text: what the model has read of it so far.
class TextState {
 public:
  uint64_t tokens() const { return tokens_; }

 private:
  friend class LanguageModel;
  uint64_t tokens_ = 0;
  std::vector<CachedKeyValues> layers_;
};

// What comes next in one text.
struct TextInput {
  TextState* state = nullptr;       // of this model
  std::span<const int32_t> tokens;  // one or more
};

class LanguageModel {
 public:
  // Reads all weights. `max_tokens`: the longest text. Throws kUnsupported for
  // an architecture that can be analysed but not evaluated. `checkpoint`
  // outlives the model.
  LanguageModel(const Checkpoint& checkpoint, int threads, uint64_t max_tokens);
  ~LanguageModel();

  uint64_t vocabulary() const { return config_.vocabulary; }
  // Of the weights that every token reads; of mixtures all experts are
  // counted, the embedding only as head.
  uint64_t weight_bytes() const;

  TextState NewText() const;
  // Reads the tokens of every text and returns the logits of what follows
  // each, [texts, vocabulary], valid until the next call. Throws kUsage for a
  // token outside the vocabulary and a text longer than max_tokens, kCorrupt
  // for logits that are not finite.
  std::span<const float> Read(std::span<const TextInput> texts);

 private:
  struct Layers;

  void CheckInput(const TextInput& text) const;
  void ReadChunk(std::span<const TextInput> texts);
  void RunMixture(size_t layer, uint64_t rows);

  const Checkpoint& checkpoint_;
  TransformerConfig config_;
  uint64_t max_tokens_;
  WorkerPool pool_;
  std::unique_ptr<Layers> layers_;
};

}  // namespace ram
