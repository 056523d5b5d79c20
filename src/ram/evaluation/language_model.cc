#include "ram/evaluation/language_model.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ram/base/error.h"
#include "ram/base/interrupt.h"
#include "ram/base/parallel.h"
#include "ram/evaluation/attention_layer.h"
#include "ram/evaluation/feed_forward.h"
#include "ram/evaluation/mixture.h"
#include "ram/evaluation/packed_linear.h"
#include "ram/evaluation/row_kernels.h"

namespace ram {
namespace {

constexpr uint64_t kPromptRows = 256;  // of a text that are read at once

}  // namespace

struct LanguageModel::Layers {
  struct Layer {
    std::unique_ptr<AttentionLayer> attention;
    std::optional<FeedForwardLayer> feed_forward;
    std::optional<MixtureLayer> mixture;
    std::vector<FeedForward> experts;
  };

  Layers(const Checkpoint& checkpoint, WorkerPool& pool)
      : weights(checkpoint), maker(checkpoint, pool) {}

  ModelWeights weights;
  PackedMaker maker;
  std::vector<RotaryTable> rotaries;
  std::vector<Layer> layers;
  std::shared_ptr<const PackedRows> embedding;
  std::unique_ptr<Linear> head;
  Norm norm;

  // Buffers, reused.
  std::vector<float> x;
  std::vector<float> normed;
  std::vector<float> last;
  std::vector<float> logits;
  std::vector<float> expert_in;
  std::vector<float> expert_out;
  std::vector<ExpertChoice> choices;
  AttentionScratch attention;
  FeedForwardScratch feed_forward;
};

LanguageModel::LanguageModel(const Checkpoint& checkpoint, int threads,
                             uint64_t max_tokens)
    : checkpoint_(checkpoint),
      config_(ReadTransformerConfig(checkpoint.model(),
                                    checkpoint.path().string())),
      max_tokens_(max_tokens),
      pool_(ResolveThreads(threads)),
      layers_(std::make_unique<Layers>(checkpoint, pool_)) {
  Layers& all = *layers_;
  for (const Rotary& rotary : config_.rotaries) {
    all.rotaries.emplace_back(rotary, max_tokens);
  }
  const Matrix& table = all.weights.Get(-1, "embed_tokens");
  all.embedding =
      std::make_shared<PackedRows>(checkpoint, table, 0, table.rows);
  for (size_t i = 0; i < config_.layers.size(); ++i) {
    ThrowIfInterrupted();
    const LayerConfig& layer = config_.layers[i];
    const int number = static_cast<int>(i);
    Layers::Layer& made = all.layers.emplace_back();
    made.attention = MakeAttentionLayer(config_, all.rotaries[layer.rotary],
                                        number, all.weights, all.maker);
    if (!layer.mixture) {
      made.feed_forward.emplace(config_, number, all.weights, all.maker);
      continue;
    }
    made.mixture.emplace(config_, number, all.weights, all.maker);
    for (uint64_t e = 0; e < config_.router.experts; ++e) {
      made.experts.emplace_back(config_.activation, all.weights, all.maker,
                                number, "", static_cast<int>(e));
    }
  }
  all.norm = Norm(all.weights.FinalNorm(config_.hidden), config_);
  const Matrix* head = all.weights.Find(-1, "lm_head");
  all.head = head ? all.maker.Make(*head, 0, head->rows)
                  : std::make_unique<PackedLinear>(all.embedding, pool_);
  config_.vocabulary = all.head->out();
}

LanguageModel::~LanguageModel() = default;

uint64_t LanguageModel::weight_bytes() const {
  const bool tied = !layers_->weights.Find(-1, "lm_head");
  return layers_->maker.bytes() + (tied ? layers_->embedding->bytes() : 0);
}

TextState LanguageModel::NewText() const {
  TextState text;
  for (const Layers::Layer& layer : layers_->layers) {
    text.layers_.emplace_back(layer.attention->key_values());
  }
  return text;
}

void LanguageModel::CheckInput(const TextInput& text) const {
  if (text.tokens.empty()) {
    Fail(ErrorKind::kUsage, "text: found no token, expected one or more");
  }
  if (text.tokens.size() > max_tokens_ - text.state->tokens_) {
    Fail(ErrorKind::kUsage, "text: found {} tokens, expected {} at most",
         text.state->tokens_ + text.tokens.size(), max_tokens_);
  }
  for (const int32_t token : text.tokens) {
    if (token < 0 ||
        static_cast<uint64_t>(token) >= layers_->embedding->rows()) {
      Fail(ErrorKind::kUsage, "text: found token {}, expected one below {}",
           token, layers_->embedding->rows());
    }
  }
}

std::span<const float> LanguageModel::Read(std::span<const TextInput> texts) {
  for (const TextInput& text : texts) CheckInput(text);
  Layers& all = *layers_;
  const uint64_t hidden = config_.hidden;
  Room(all.last, texts.size() * hidden);
  // Long inputs one by one, a chunk at a time; what is left of each together.
  std::vector<TextInput> ends(texts.begin(), texts.end());
  for (TextInput& text : ends) {
    while (text.tokens.size() > kPromptRows) {
      ThrowIfInterrupted();
      const TextInput chunk{text.state, text.tokens.first(kPromptRows)};
      ReadChunk({&chunk, 1});
      text.tokens = text.tokens.subspan(kPromptRows);
    }
  }
  for (size_t first = 0; first < ends.size();) {
    size_t count = 0;
    for (uint64_t rows = 0; first + count < ends.size(); ++count) {
      rows += ends[first + count].tokens.size();
      if (count > 0 && rows > kPromptRows) break;
    }
    const auto part = std::span(ends).subspan(first, count);
    ReadChunk(part);
    uint64_t row = 0;
    for (size_t i = 0; i < count; ++i) {
      row += part[i].tokens.size();
      std::copy_n(all.x.data() + (row - 1) * hidden, hidden,
                  all.last.data() + (first + i) * hidden);
    }
    first += count;
  }
  all.norm.Apply(all.last.data(), texts.size(), hidden, all.last.data());
  float* logits = Room(all.logits, texts.size() * vocabulary());
  all.head->Apply(all.last.data(), texts.size(), logits);
  if (config_.logit_softcap > 0) {
    SoftCap(texts.size() * vocabulary(), config_.logit_softcap, logits);
  }
  if (!AllFinite(logits, texts.size() * vocabulary())) {
    Fail(ErrorKind::kCorrupt,
         "{}: logits after {} tokens: found NaN or infinity, expected numbers",
         checkpoint_.path().string(), texts.front().state->tokens_);
  }
  return {logits, texts.size() * vocabulary()};
}

// Leaves the hidden states of all rows in layers_->x.
void LanguageModel::ReadChunk(std::span<const TextInput> texts) {
  Layers& all = *layers_;
  const uint64_t hidden = config_.hidden;
  std::vector<TextRows> pieces;
  uint64_t rows = 0;
  for (const TextInput& text : texts) {
    pieces.push_back({rows, text.tokens.size(), text.state->tokens_, nullptr});
    rows += text.tokens.size();
  }
  float* x = Room(all.x, rows * hidden);
  uint64_t row = 0;
  for (const TextInput& text : texts) {
    for (const int32_t token : text.tokens) {
      float* to = x + row++ * hidden;
      all.embedding->Decode(static_cast<uint64_t>(token), {to, hidden});
      for (uint64_t i = 0; i < hidden; ++i) to[i] *= config_.embedding_scale;
    }
  }
  for (size_t i = 0; i < all.layers.size(); ++i) {
    Layers::Layer& layer = all.layers[i];
    for (size_t t = 0; t < texts.size(); ++t) {
      pieces[t].past = &texts[t].state->layers_[i];
    }
    layer.attention->Run(pieces, x, all.attention);
    if (layer.mixture) {
      RunMixture(i, rows);
    } else {
      layer.feed_forward->Run(x, rows, all.feed_forward);
    }
  }
  for (const TextInput& text : texts) {
    text.state->tokens_ += text.tokens.size();
  }
}

// Each expert that a row chose, in ascending order, for all its rows.
void LanguageModel::RunMixture(size_t layer, uint64_t rows) {
  Layers& all = *layers_;
  const uint64_t hidden = config_.hidden;
  const uint64_t per_token = config_.router.per_token;
  float* normed = Room(all.normed, rows * hidden);
  all.choices.resize(rows * per_token);
  all.layers[layer].mixture->Begin(all.x.data(), rows, normed, all.choices,
                                   all.feed_forward);
  std::vector<std::pair<uint32_t, uint64_t>> order;  // expert, place
  for (uint64_t i = 0; i < all.choices.size(); ++i) {
    order.emplace_back(all.choices[i].expert, i);
  }
  std::sort(order.begin(), order.end());
  for (size_t begin = 0; begin < order.size();) {
    const uint32_t expert = order[begin].first;
    size_t end = begin;
    while (end < order.size() && order[end].first == expert) ++end;
    const uint64_t count = end - begin;
    float* in = Room(all.expert_in, count * hidden);
    float* out = Room(all.expert_out, count * hidden);
    for (size_t i = 0; i < count; ++i) {
      std::copy_n(normed + order[begin + i].second / per_token * hidden, hidden,
                  in + i * hidden);
    }
    all.layers[layer].experts[expert].Run(in, count, out, all.feed_forward);
    for (size_t i = 0; i < count; ++i) {
      const uint64_t place = order[begin + i].second;
      AddScaled(out + i * hidden, hidden, all.choices[place].weight,
                all.x.data() + place / per_token * hidden);
    }
    begin = end;
  }
}

}  // namespace ram
