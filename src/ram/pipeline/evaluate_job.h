// Models + data -> a report: perplexity, or accuracy on multiple choice.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ram/base/progress.h"
#include "ram/evaluation/report.h"

namespace ram {

struct EvaluateOptions {
  int threads = 0;
  uint64_t seed = 42;
  ComputeType compute = ComputeType::kBF16;
  uint64_t memory_bytes = uint64_t{512} << 20;  // of activations
  std::filesystem::path spill;  // where the rest of them lies; empty: system's
  // Where the scores of finished models and the state of the one at work are
  // kept until all are done; empty: nowhere.
  std::filesystem::path work;
  double keep_seconds = 60;  // of work between two states
  bool resume = false;       // take what lies there, and leave it there
};

// The first model is the baseline. Windows are the same for all; models whose
// tokenizers encode the text differently are refused (kUsage). Throws as its
// parts; kInterrupted says what was kept.
PerplexityReport RunPerplexity(const std::vector<std::string>& models,
                               const std::filesystem::path& data,
                               const WindowOptions& windows,
                               const EvaluateOptions& options,
                               Progress& progress);

enum class ChoiceTask : uint8_t { kArc, kHellaSwag };

struct ChoiceOptions {
  std::filesystem::path data;
  std::filesystem::path shots_data;  // the pool; unused without shots
  ShotOptions shots;
  bool start_tokens = true;       // as the tokenizer itself adds them
  std::optional<uint64_t> limit;  // the first items only
  // A report of these models' perplexity, for "do they order alike?".
  std::optional<std::filesystem::path> perplexity;
};

ChoiceReport RunChoices(ChoiceTask task, const std::vector<std::string>& models,
                        const ChoiceOptions& choices,
                        const EvaluateOptions& options, Progress& progress);

}  // namespace ram
