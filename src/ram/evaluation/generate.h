// Writing: one text after a prompt, or a corpus of texts from nothing.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "ram/evaluation/language_model.h"
#include "ram/evaluation/sampler.h"

namespace ram {

struct GenerateOptions {
  SamplingOptions sampling;
  uint64_t seed = 42;
  uint64_t max_tokens = 256;
  std::vector<int32_t> end_tokens;  // each ends the text
};

struct GeneratedText {
  std::vector<int32_t> tokens;  // without the end token
  bool ended = false;           // by an end token
  uint64_t prompt_tokens = 0;
  double prompt_seconds = 0;  // until the logits of the first new token
  // Of the forward passes after the first new token; as many as `steps`.
  double decode_seconds = 0;
  uint64_t steps = 0;
};

// Goes on with `prompt` (one token or more). The same tokens for the same seed
// on the same machine. `on_token` is called with each new token. Throws as
// LanguageModel::Read, and kInterrupted.
GeneratedText Generate(LanguageModel& model, std::span<const int32_t> prompt,
                       const GenerateOptions& options,
                       const std::function<void(int32_t)>& on_token);

struct CorpusOptions {
  SamplingOptions sampling;
  uint64_t seed = 42;
  uint64_t tokens = 0;         // in all
  uint64_t text_tokens = 256;  // of a text, at most
  std::vector<int32_t> start;  // before each text; one token or more
  std::vector<int32_t> end_tokens;
};

// Texts of `tokens` tokens in all, the last one cut; kFewVectors of them are
// written side by side. What text i says depends on the seed and i alone.
// `on_tokens` is called with the number of tokens written since the last call.
std::vector<std::vector<int32_t>> WriteCorpus(
    LanguageModel& model, const CorpusOptions& options,
    const std::function<void(uint64_t)>& on_tokens);

}  // namespace ram
