// A model and a prompt -> text; a model alone -> a corpus of its own texts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "ram/base/progress.h"
#include "ram/evaluation/generate.h"

namespace ram {

struct GenerateJobOptions {
  SamplingOptions sampling;
  uint64_t seed = 42;
  uint64_t max_tokens = 256;
  int threads = 0;
  // Through the model's chat template; empty: where it has one.
  std::optional<bool> chat;
  std::string system;  // what a chat begins with; empty: nothing
};

struct GenerateJobResult {
  std::string prompt;  // as the model read it
  std::string text;
  GeneratedText generated;
  bool chat = false;
  uint64_t weight_bytes = 0;
  double load_seconds = 0;
};

// `on_text` is called with the text as it comes, in whole characters. Throws
// kUsage where a chat is asked for and the model has no template, and as
// Checkpoint, Tokenizer, ChatTemplate and LanguageModel.
GenerateJobResult RunGenerate(
    const std::filesystem::path& model, const std::string& prompt,
    const GenerateJobOptions& options,
    const std::function<void(std::string_view)>& on_text);

struct CorpusJobOptions {
  SamplingOptions sampling;
  uint64_t seed = 42;
  uint64_t tokens = 0;
  uint64_t text_tokens = 256;
  int threads = 0;
};

struct CorpusJobResult {
  uint64_t texts = 0;
  uint64_t tokens = 0;
  double seconds = 0;  // of writing, the model being loaded
};

// Writes `out`, which must not exist: JSON {"version", "model", "seed",
// "temperature", "top_k", "top_p", "min_p", "tokens", "texts": [text]} where
// its name ends in .json, else the texts with blank lines between them. Bytes
// that make no UTF-8 become U+FFFD.
CorpusJobResult RunCorpus(const std::filesystem::path& model,
                          const std::filesystem::path& out,
                          const CorpusJobOptions& options, Progress& progress);

}  // namespace ram
