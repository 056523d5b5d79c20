#include "ram/evaluation/trunk.h"

#include <algorithm>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/base/stopwatch.h"
#include "ram/evaluation/attention_layer.h"
#include "ram/evaluation/dense_linear.h"
#include "ram/evaluation/feed_forward.h"
#include "ram/evaluation/kept_layers.h"
#include "ram/evaluation/mixture.h"
#include "ram/evaluation/router_choices.h"
#include "ram/evaluation/row_kernels.h"
#include "ram/evaluation/segment_key_values.h"

namespace ram {
namespace {

constexpr uint64_t kChunkRows = 256;  // that pass through a layer at once

// What one thread works with.
struct TrunkWorker {
  std::vector<float> x;
  std::vector<float> normed;
  std::vector<float> out;
  std::vector<float> key_values;
  std::vector<ExpertChoice> choices;
  AttentionScratch attention;
  FeedForwardScratch feed_forward;
};

class Trunk {
 public:
  Trunk(const TransformerConfig& config, const ModelWeights& weights,
        const RunContext& run, RowStores& stores)
      : config_(config),
        weights_(weights),
        run_(run),
        maker_(weights.checkpoint(), run.compute, run.threads),
        workers_(static_cast<size_t>(run.threads)),
        kept_(run.segments.size()),
        kept_rooms_(run.segments.size()) {
    for (const Rotary& rotary : config.rotaries) {
      tables_.emplace_back(rotary, run.plan->positions);
    }
    x_ = stores.Make(run.plan->rows, config.hidden);
    const auto is_mixture = [](const LayerConfig& layer) {
      return layer.mixture;
    };
    if (std::any_of(config.layers.begin(), config.layers.end(), is_mixture)) {
      normed_ = stores.Make(run.plan->rows, config.hidden);
      choices_.emplace(config.router, run.plan->rows,
                       BookkeepingBytes(run.options->memory_bytes), stores);
    }
  }

  TrunkResult Run() {
    KeptLayers* kept = run_.options->kept_layers;
    const Checkpoint& model = weights_.checkpoint();
    const uint64_t layers = config_.layers.size();
    LayerState state;
    if (kept != nullptr) state = kept->Begin(model, layers, *x_);
    const double before = state.seconds;
    const Stopwatch stopwatch;
    if (state.layers == 0) Embed();
    for (layer_ = 0; static_cast<uint64_t>(layer_) < layers; ++layer_) {
      const bool done = static_cast<uint64_t>(layer_) < state.layers;
      if (!done) RunLayer(config_.layers[static_cast<size_t>(layer_)]);
      run_.progress->Advance(LayerBytes());
      if (done) continue;
      state = {static_cast<uint64_t>(layer_) + 1, before + stopwatch.Seconds()};
      if (kept != nullptr) kept->Offer(model, layers, state, *x_);
    }
    return {std::move(x_), state.seconds};
  }

 private:
  void RunLayer(const LayerConfig& layer) {
    RunAttention(layer);
    if (layer.mixture) {
      RunMixture();
    } else {
      RunFeedForward();
    }
  }

  uint64_t LayerBytes() const {
    uint64_t bytes = 0;
    for (const Matrix& matrix : weights_.checkpoint().model().matrices) {
      if (matrix.layer == layer_ && matrix.section == Section::kText) {
        bytes += 2 * matrix.weights();
      }
    }
    return bytes;
  }

  // body(first row, rows, worker) for all rows in chunks.
  template <typename Body>
  void ForEachChunk(const Body& body) {
    const uint64_t rows = run_.plan->rows;
    ParallelFor((rows + kChunkRows - 1) / kChunkRows, run_.threads,
                [&](uint64_t chunk, int worker) {
                  const uint64_t first = chunk * kChunkRows;
                  body(first, std::min(kChunkRows, rows - first),
                       workers_[static_cast<size_t>(worker)]);
                });
  }

  void Embed() {
    const Matrix& table = weights_.Get(-1, "embed_tokens");
    const SegmentPlan& plan = *run_.plan;
    ParallelFor(run_.segments.size(), run_.threads, [&](uint64_t i, int w) {
      const std::vector<int32_t>& tokens = run_.segments[i].tokens;
      float* row = Room(workers_[static_cast<size_t>(w)].x, config_.hidden);
      for (size_t j = 0; j < tokens.size(); ++j) {
        weights_.checkpoint().ReadRows(table, static_cast<uint64_t>(tokens[j]),
                                       {row, config_.hidden});
        for (uint64_t k = 0; k < config_.hidden; ++k) {
          row[k] *= config_.embedding_scale;
        }
        x_->Write(plan.first_row[i] + j, 1, row);
      }
    });
  }

  void RunAttention(const LayerConfig& layer) {
    const std::unique_ptr<AttentionLayer> attention = MakeAttentionLayer(
        config_, tables_[layer.rotary], layer_, weights_, maker_);
    for (const std::vector<SegmentItem>& stage : run_.plan->stages) {
      ParallelFor(stage.size(), run_.threads, [&](uint64_t i, int worker) {
        RunItem(*attention, stage[i], workers_[static_cast<size_t>(worker)]);
      });
    }
    for (auto& kept : kept_) kept.reset();
  }

  void RunItem(const AttentionLayer& attention, const SegmentItem& item,
               TrunkWorker& worker) {
    const KeyValueShape shape = attention.key_values();
    float* room = Room(worker.key_values,
                       item.rows * (shape.key_width + shape.value_width));
    std::vector<std::optional<SegmentKeyValues>> own(item.segments.size());
    std::vector<TextRows> pieces;
    uint64_t chunk_row = item.first_row;
    uint64_t chunk_rows = 0;
    for (size_t i = 0; i < item.segments.size(); ++i) {
      const uint32_t segment = item.segments[i];
      KeyValues* past = MakePast(shape, item, i, own, room);
      const uint64_t tokens = run_.segments[segment].tokens.size();
      for (uint64_t done = 0; done < tokens;) {
        const uint64_t rows = std::min(kChunkRows - chunk_rows, tokens - done);
        pieces.push_back(
            {chunk_rows, rows, run_.plan->position[segment] + done, past});
        chunk_rows += rows;
        done += rows;
        if (chunk_rows < kChunkRows) continue;
        RunChunk(attention, chunk_row, chunk_rows, pieces, worker);
        chunk_row += chunk_rows;
        chunk_rows = 0;
        pieces.clear();
      }
    }
    if (chunk_rows > 0) {
      RunChunk(attention, chunk_row, chunk_rows, pieces, worker);
    }
  }

  // Where segment `i` of an item keeps its keys and values: until the layer is
  // done if other items need them, else in the worker's `room`.
  KeyValues* MakePast(KeyValueShape shape, const SegmentItem& item, size_t i,
                      std::vector<std::optional<SegmentKeyValues>>& own,
                      float*& room) {
    const uint32_t segment = item.segments[i];
    const uint64_t rows = run_.segments[segment].tokens.size();
    const uint64_t floats = rows * (shape.key_width + shape.value_width);
    const int64_t parent = run_.segments[segment].parent;
    const SegmentKeyValues* before = nullptr;
    if (parent >= 0) {
      const auto mine = std::find(item.segments.begin(), item.segments.end(),
                                  static_cast<uint32_t>(parent));
      before = mine == item.segments.end()
                   ? &*kept_[static_cast<size_t>(parent)]
                   : &*own[static_cast<size_t>(mine - item.segments.begin())];
    }
    const bool keep = run_.plan->kept[segment];
    float* start = keep ? Room(kept_rooms_[segment], floats) : room;
    KeyValueRows all = {start, nullptr, rows};
    if (shape.value_width > 0) all.values = start + rows * shape.key_width;
    if (keep) return &kept_[segment].emplace(shape, all, before);
    room += floats;
    return &own[i].emplace(shape, all, before);
  }

  void RunChunk(const AttentionLayer& attention, uint64_t row, uint64_t rows,
                const std::vector<TextRows>& pieces, TrunkWorker& worker) {
    float* x = Room(worker.x, rows * config_.hidden);
    x_->Read(row, rows, x);
    attention.Run(pieces, x, worker.attention);
    Store(row, rows, x);
  }

  void Store(uint64_t row, uint64_t rows, const float* x) {
    CheckFinite(row, rows, x);
    x_->Write(row, rows, x);
  }

  void CheckFinite(uint64_t row, uint64_t rows, const float* x) const {
    if (AllFinite(x, rows * config_.hidden)) return;
    uint64_t bad = 0;
    while (AllFinite(x + bad * config_.hidden, config_.hidden)) ++bad;
    Fail(ErrorKind::kCorrupt,
         "{}: found NaN in layer {} of {} {}, expected finite numbers",
         weights_.checkpoint().path().string(), layer_,
         run_.options->segment_word,
         run_.plan->SegmentOf(row + bad, run_.segments));
  }

  void RunFeedForward() {
    const FeedForwardLayer feed_forward(config_, layer_, weights_, maker_);
    ForEachChunk([&](uint64_t row, uint64_t rows, TrunkWorker& worker) {
      float* x = Room(worker.x, rows * config_.hidden);
      x_->Read(row, rows, x);
      feed_forward.Run(x, rows, worker.feed_forward);
      Store(row, rows, x);
    });
  }

  void RunMixture() {
    const uint64_t per_token = config_.router.per_token;
    {
      const MixtureLayer mixture(config_, layer_, weights_, maker_);
      ForEachChunk([&](uint64_t row, uint64_t rows, TrunkWorker& worker) {
        float* x = Room(worker.x, rows * config_.hidden);
        float* normed = Room(worker.normed, rows * config_.hidden);
        worker.choices.resize(rows * per_token);
        x_->Read(row, rows, x);
        mixture.Begin(x, rows, normed, worker.choices, worker.feed_forward);
        Store(row, rows, x);
        normed_->Write(row, rows, normed);
        choices_->Write(row, rows, worker.choices);
      });
    }
    for (std::vector<ExpertRows> some = choices_->Next(); !some.empty();
         some = choices_->Next()) {
      RunExperts(some);
    }
  }

  // One after the other, so that sums have one order; the next is loaded
  // meanwhile.
  void RunExperts(const std::vector<ExpertRows>& experts) {
    const auto load = [this](int expert) {
      return std::make_unique<FeedForward>(config_.activation, weights_, maker_,
                                           layer_, "", expert);
    };
    std::future<std::unique_ptr<FeedForward>> next =
        std::async(std::launch::async, load, experts[0].expert);
    for (size_t i = 0; i < experts.size(); ++i) {
      const std::unique_ptr<FeedForward> expert = next.get();
      if (i + 1 < experts.size()) {
        next = std::async(std::launch::async, load, experts[i + 1].expert);
      }
      RunExpert(*expert, experts[i]);
    }
  }

  void RunExpert(const FeedForward& expert, const ExpertRows& seen) {
    const uint64_t hidden = config_.hidden;
    const uint64_t count = seen.rows.size();
    ParallelFor((count + kChunkRows - 1) / kChunkRows, run_.threads,
                [&](uint64_t chunk, int w) {
                  TrunkWorker& worker = workers_[static_cast<size_t>(w)];
                  const uint64_t first = chunk * kChunkRows;
                  const uint64_t rows = std::min(kChunkRows, count - first);
                  float* in = Room(worker.normed, rows * hidden);
                  float* out = Room(worker.out, rows * hidden);
                  float* x = Room(worker.x, hidden);
                  for (uint64_t i = 0; i < rows; ++i) {
                    normed_->Read(seen.rows[first + i], 1, in + i * hidden);
                  }
                  expert.Run(in, rows, out, worker.feed_forward);
                  for (uint64_t i = 0; i < rows; ++i) {
                    const uint64_t row = seen.rows[first + i];
                    x_->Read(row, 1, x);
                    AddScaled(out + i * hidden, hidden, seen.weights[first + i],
                              x);
                    Store(row, 1, x);
                  }
                });
  }

  const TransformerConfig& config_;
  const ModelWeights& weights_;
  RunContext run_;
  DenseMaker maker_;
  std::vector<TrunkWorker> workers_;
  std::vector<RotaryTable> tables_;
  std::unique_ptr<RowStore> x_;
  std::unique_ptr<RowStore> normed_;  // what the experts see
  std::optional<RouterChoices> choices_;
  std::vector<std::optional<SegmentKeyValues>> kept_;
  std::vector<std::vector<float>> kept_rooms_;
  int layer_ = 0;
};

}  // namespace

std::unique_ptr<Linear> DenseMaker::Make(const Matrix& matrix,
                                         uint64_t first_row, uint64_t rows) {
  return PackLinear(
      matrix.cols, rows,
      [&](uint64_t row, std::span<float> out) {
        checkpoint_.ReadRows(matrix, first_row + row, out);
      },
      compute_, threads_);
}

TrunkResult RunTrunk(const TransformerConfig& config,
                     const ModelWeights& weights, const RunContext& run,
                     RowStores& stores) {
  return Trunk(config, weights, run, stores).Run();
}

}  // namespace ram
