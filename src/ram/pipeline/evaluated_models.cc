#include "ram/pipeline/evaluated_models.h"

#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "ram/base/digest.h"
#include "ram/base/error.h"
#include "ram/evaluation/kept_layers.h"
#include "ram/evaluation/kept_scores.h"
#include "ram/pipeline/analyze_job.h"
#include "ram/tensor/ggml_type.h"

namespace ram {
namespace {

// Of the codes alone. The first number in the name of a block type: "IQ4_XS".
int NominalBits(const TensorInfo& tensor) {
  switch (tensor.storage.kind) {
    case Storage::Kind::kDense:
      return static_cast<int>(8 * DTypeBytes(tensor.dtype));
    case Storage::Kind::kAffine:
      return tensor.storage.scheme.bits;
    case Storage::Kind::kBlocks:
      break;
  }
  const std::string_view name = FactsOf(tensor.storage.block_type).name;
  int bits = 0;
  for (const char c : name.substr(name.find_first_of("0123456789"))) {
    if (c < '0' || c > '9') break;
    bits = 10 * bits + (c - '0');
  }
  return bits;
}

EvaluatedModel Measure(const Checkpoint& checkpoint, const std::string& path) {
  EvaluatedModel result{path, WeightFileBytes(checkpoint)};
  double bytes = 0, bits = 0, weights = 0;
  const Model& model = checkpoint.model();
  result.weights = model.weights();
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& tensor = model.tensors[i];
    bytes += static_cast<double>(tensor.bytes());
    if (model.uses[i] == TensorUse::kScale) continue;
    const auto elements = static_cast<double>(tensor.elements());
    bits += elements * NominalBits(tensor);
    weights += elements;
  }
  if (weights > 0) {
    result.bits_per_weight = 8 * bytes / weights;
    result.nominal_bits = bits / weights;
  }
  return result;
}

uint64_t EmbeddingRows(const Model& model) {
  for (const Matrix& matrix : model.matrices) {
    if (matrix.role == "embed_tokens") return matrix.rows;
  }
  return 0;
}

// Of the files that decide how text becomes tokens; empty for a GGUF file.
std::string TokenizerDigest(const Checkpoint& checkpoint) {
  if (!std::filesystem::is_directory(checkpoint.path())) return "";
  std::string digests;
  for (const std::string& name : checkpoint.CompanionFiles()) {
    if (name.starts_with("chat_template") ||
        name.starts_with("generation_config")) {
      continue;
    }
    digests += name + " " + Sha256OfFile(checkpoint.path() / name) + "\n";
  }
  return digests;
}

// What became of the work so far.
std::string InterruptedText(size_t finished, size_t models,
                            const std::optional<KeptLayers::Last>& at_work,
                            const std::filesystem::path& folder) {
  if (finished == 0 && !at_work) {
    return "interrupted: no model was finished, nothing was kept";
  }
  std::string text =
      fmt::format("interrupted: {} of {} models finished", finished, models);
  if (at_work) {
    text += fmt::format(", {} of {} layers of {} computed", at_work->layers,
                        at_work->of, at_work->model);
  }
  return fmt::format(
      "{}; all of it is kept in {}, and the same command with --resume goes on "
      "from there",
      text, folder.string());
}

}  // namespace

EvaluatedModels::EvaluatedModels(const std::vector<std::string>& paths)
    : paths_(paths) {
  for (size_t i = 0; i < paths.size(); ++i) {
    const std::string& path = paths[i];
    checkpoints_.push_back(Checkpoint::Open(path));
    if (checkpoints_.back().bare_file()) {
      Fail(ErrorKind::kUnsupported,
           "{}: found a single file, expected a model directory with "
           "config.json and a tokenizer",
           path);
    }
    AddTokenizer(i);
    const uint64_t rows = EmbeddingRows(checkpoints_.back().model());
    if (rows != 0 && (fewest_rows_ == 0 || rows < fewest_rows_)) {
      fewest_rows_ = rows;
      fewest_rows_model_ = i;
    }
  }
}

std::vector<EvaluatedModel> EvaluatedModels::Describe() const {
  std::vector<EvaluatedModel> described;
  for (size_t i = 0; i < size(); ++i) {
    described.push_back(Measure(checkpoints_[i], paths_[i]));
  }
  return described;
}

void EvaluatedModels::AddTokenizer(size_t model) {
  const std::string digest = TokenizerDigest(checkpoints_[model]);
  for (const SharedTokenizer& shared : tokenizers_) {
    if (!digest.empty() && shared.digest == digest) return;
  }
  tokenizers_.push_back(
      {Tokenizer::Open(checkpoints_[model].path()), model, digest});
}

std::vector<TokenId> EvaluatedModels::Encode(std::string_view text,
                                             const EncodeOptions& options,
                                             std::string_view source) const {
  std::vector<TokenId> tokens;
  try {
    tokens = tokenizer().Encode(text, options);
  } catch (const Error& error) {
    throw Error(error.kind(), fmt::format("{}: {}", source, error.what()));
  }
  for (const SharedTokenizer& shared : tokenizers_) {
    if (&shared == &tokenizers_[0]) continue;
    const std::vector<TokenId> own = shared.tokenizer->Encode(text, options);
    if (own == tokens) continue;
    const auto at = static_cast<size_t>(
        std::mismatch(tokens.begin(), tokens.end(), own.begin(), own.end())
            .first -
        tokens.begin());
    Fail(ErrorKind::kUsage,
         "{}: tokenizer: found another encoding of the text than that of {} "
         "(from token {} on), expected the same: models are compared token by "
         "token",
         paths_[shared.model], paths_[0], at);
  }
  for (const TokenId token : tokens) {
    if (fewest_rows_ == 0 || static_cast<uint64_t>(token) < fewest_rows_) {
      continue;
    }
    Fail(ErrorKind::kCorrupt,
         "{}: tokenizer: found token {} in the text, expected less than the {} "
         "rows of the embedding (the tokenizer has {} tokens)",
         paths_[fewest_rows_model_], token, fewest_rows_,
         tokenizer().vocabulary_size());
  }
  return tokens;
}

EvaluatedModels::Context EvaluatedModels::ShortestContext() const {
  Context shortest;
  for (size_t i = 0; i < size(); ++i) {
    const uint64_t tokens = checkpoints_[i]
                                .model()
                                .ConfigUint("max_position_embeddings")
                                .value_or(0);
    if (tokens != 0 && (shortest.tokens == 0 || tokens < shortest.tokens)) {
      shortest = {tokens, i};
    }
  }
  return shortest;
}

std::vector<ModelScores> EvaluatedModels::Score(
    std::span<const Segment> segments, bool compare,
    std::string_view segment_word, const EvaluateOptions& options,
    Progress& progress) const {
  const KeptScores kept(options.work, segments, options.compute,
                        compare ? &checkpoints_[0] : nullptr);
  std::vector<std::optional<ModelScores>> found(size());
  std::vector<const Checkpoint*> all, wanted;
  std::vector<size_t> places;  // of `wanted` among all
  for (size_t i = 0; i < size(); ++i) {
    all.push_back(&checkpoints_[i]);
    if (options.resume) found[i] = kept.Find(checkpoints_[i]);
  }
  const bool any_missing =
      std::any_of(found.begin(), found.end(),
                  [](const auto& scores) { return !scores.has_value(); });
  for (size_t i = 0; i < size(); ++i) {
    // The others are compared with the baseline, so it has to run with them.
    const bool needed = compare && i == 0 && any_missing;
    if (found[i] && !needed) continue;
    wanted.push_back(all[i]);
    places.push_back(i);
  }

  ScoreOptions score;
  score.threads = options.threads;
  score.compute = options.compute;
  score.memory_bytes = options.memory_bytes;
  score.work_directory = options.spill;
  score.compare = compare;
  score.segment_word = segment_word;
  score.progress = &progress;
  std::optional<KeptLayers> layers;
  if (!options.work.empty()) {
    layers.emplace(options.work, segments, options.compute,
                   options.keep_seconds, options.resume);
    score.kept_layers = &*layers;
  }
  size_t finished = size() - wanted.size();
  if (!options.work.empty() && (wanted.size() > 1 || options.resume)) {
    score.on_model_done = [&](size_t model, const ModelScores& scores) {
      kept.Keep(*wanted[model], scores);
      // The baseline's last layer is what the others are compared with.
      if (model > 0 || !compare) layers->Discard(*wanted[model]);
      ++finished;
    };
  }
  if (!wanted.empty()) {
    try {
      std::vector<ModelScores> fresh = ScoreSegments(wanted, segments, score);
      for (size_t i = 0; i < fresh.size(); ++i) {
        found[places[i]] = std::move(fresh[i]);
      }
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kInterrupted) throw;
      throw Error(ErrorKind::kInterrupted,
                  InterruptedText(finished, size(),
                                  layers ? layers->last() : std::nullopt,
                                  options.work));
    }
  }
  if (layers) {
    for (const Checkpoint* model : all) layers->Discard(*model);
  }
  if (!options.work.empty() && !options.resume) kept.Discard(all);
  std::vector<ModelScores> scores;
  for (auto& own : found) scores.push_back(std::move(*own));
  for (const Checkpoint& checkpoint : checkpoints_) {
    checkpoint.CheckUnchanged();
  }
  return scores;
}

}  // namespace ram
