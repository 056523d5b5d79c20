// The models of one evaluation: opened, comparable, scored.
#pragma once

#include <cstdint>
#include <deque>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "ram/base/progress.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/evaluation/report.h"
#include "ram/evaluation/score.h"
#include "ram/pipeline/evaluate_job.h"
#include "ram/tokenizer/tokenizer.h"

namespace ram {

class EvaluatedModels {
 public:
  // Opens checkpoints and tokenizers. Throws as they do, and kUnsupported for
  // a bare file.
  explicit EvaluatedModels(const std::vector<std::string>& paths);

  size_t size() const { return checkpoints_.size(); }
  const Tokenizer& tokenizer() const { return *tokenizers_[0].tokenizer; }
  const std::string& path(size_t model) const { return paths_[model]; }
  // Sizes and paths, for the report.
  std::vector<EvaluatedModel> Describe() const;

  // The text as tokens. Throws kUsage when the models' tokenizers differ on
  // it, kCorrupt when it holds a token that has no row in the embedding, or is
  // not UTF-8; `source` names the text. Thread-safe.
  std::vector<TokenId> Encode(std::string_view text,
                              const EncodeOptions& options,
                              std::string_view source) const;

  // The shortest context (max_position_embeddings) and whose it is; 0: none
  // says.
  struct Context {
    uint64_t tokens = 0;
    size_t model = 0;
  };
  Context ShortestContext() const;

  // Scores of every model, from the work folder where they are.
  std::vector<ModelScores> Score(std::span<const Segment> segments,
                                 bool compare, std::string_view segment_word,
                                 const EvaluateOptions& options,
                                 Progress& progress) const;

 private:
  void AddTokenizer(size_t model);

  std::vector<std::string> paths_;
  std::deque<Checkpoint> checkpoints_;
  // Models with the same tokenizer files share one; the first is the
  // baseline's.
  struct SharedTokenizer {
    std::unique_ptr<Tokenizer> tokenizer;
    size_t model = 0;    // the first that has it
    std::string digest;  // of its files; empty: not shared
  };
  std::vector<SharedTokenizer> tokenizers_;
  uint64_t fewest_rows_ = 0;  // of an embedding; 0: none is known
  size_t fewest_rows_model_ = 0;
};

}  // namespace ram
