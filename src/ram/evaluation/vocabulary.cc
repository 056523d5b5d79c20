#include "ram/evaluation/vocabulary.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "ram/base/error.h"
#include "ram/base/parallel.h"
#include "ram/evaluation/norm.h"
#include "ram/evaluation/row_kernels.h"
#include "ram/evaluation/running_softmax.h"

namespace ram {
namespace {

constexpr uint64_t kChunkTokens = 256;  // scored tokens at once
constexpr uint64_t kLogits = 1024;      // of a token at once
constexpr uint64_t kAllSlicesBytes = uint64_t{256} << 20;  // of all heads
constexpr uint64_t kLeastBlock = 4096;  // scored tokens between two passes

struct ScoredToken {
  uint64_t row = 0;  // of the token before
  int32_t token = 0;
  uint32_t segment = 0;
};

// The scored tokens of a run, segment by segment, some at a time.
class ScoredTokenReader {
 public:
  explicit ScoredTokenReader(const RunContext& run) : run_(run) { Enter(); }

  // The next `n`, fewer at the end.
  std::vector<ScoredToken> Next(uint64_t n) {
    std::vector<ScoredToken> scored;
    for (; scored.size() < n && segment_ < run_.segments.size(); Enter()) {
      const Segment& segment = run_.segments[segment_];
      for (; token_ < segment.tokens.size(); ++token_) {
        if (scored.size() == n) return scored;
        scored.push_back({RowBefore(segment), segment.tokens[token_],
                          static_cast<uint32_t>(segment_)});
      }
      ++segment_;
    }
    return scored;
  }

 private:
  // Goes to the first scored token of a segment.
  void Enter() {
    if (segment_ >= run_.segments.size()) return;
    const Segment& segment = run_.segments[segment_];
    token_ = segment.first_scored;
    if (token_ == 0 && segment.parent < 0) token_ = 1;
  }

  uint64_t RowBefore(const Segment& segment) const {
    if (token_ > 0) return run_.plan->first_row[segment_] + token_ - 1;
    const auto parent = static_cast<size_t>(segment.parent);
    return run_.plan->first_row[parent] + run_.segments[parent].tokens.size() -
           1;
  }

  const RunContext& run_;
  size_t segment_ = 0;
  size_t token_ = 0;
};

const Matrix& HeadOf(const ModelWeights& weights) {
  const Matrix* head = weights.Find(-1, "lm_head");
  return head ? *head : weights.Get(-1, "embed_tokens");
}

// One model's side.
struct ScoredHead {
  const HeadInput* input = nullptr;
  const Matrix* matrix = nullptr;
  Norm norm;
  std::vector<RunningSoftmax> state;           // per scored token of a block
  std::vector<std::unique_ptr<Linear>> slice;  // of kLogits rows each
};

// What one thread works with.
struct HeadWorker {
  std::vector<std::vector<float>> normed;  // per model
  std::vector<float> baseline_logits;
  std::vector<float> logits;
  std::vector<double> shrink;  // of sums over the baseline, per token
};

class Scorer {
 public:
  Scorer(std::span<const HeadInput> models, const RunContext& run)
      : run_(run),
        total_(ScoredTokens(run.segments)),
        heads_(models.size()),
        workers_(static_cast<size_t>(run.threads)) {
    for (size_t i = 0; i < models.size(); ++i) {
      ScoredHead& head = heads_[i];
      const TransformerConfig& config = *models[i].config;
      head.input = &models[i];
      head.matrix = &HeadOf(*models[i].weights);
      head.norm = Norm(models[i].weights->FinalNorm(config.hidden), config);
      vocabulary_ = head.matrix->rows;
    }
  }

  // In blocks of tokens whose softmax fits into its share of memory; in one
  // block, as a rule: every block reads the heads again.
  std::vector<ModelScores> Run() {
    const uint64_t token_bytes =
        sizeof(ScoredToken) + heads_.size() * sizeof(RunningSoftmax);
    const uint64_t block =
        std::max(kLeastBlock,
                 BookkeepingBytes(run_.options->memory_bytes) / token_bytes);
    std::vector<ModelScores> scores(heads_.size());
    for (size_t i = 0; i < heads_.size(); ++i) {
      scores[i].tokens.reserve(total_);
      if (Compared(i)) scores[i].comparisons.reserve(total_);
    }
    ScoredTokenReader reader(run_);
    for (uint64_t done = 0; done < total_; done += scored_.size()) {
      scored_ = reader.Next(block);
      RunBlock();
      for (size_t i = 0; i < heads_.size(); ++i) Finish(i, scores[i]);
    }
    return scores;
  }

 private:
  bool Compared(size_t model) const {
    return run_.options->compare && model > 0;
  }

  void RunBlock() {
    uint64_t row_bytes = 0;
    for (ScoredHead& head : heads_) {
      row_bytes += sizeof(float) * head.matrix->cols;
      head.state.assign(scored_.size(), RunningSoftmax());
    }
    const uint64_t slice_rows =
        kAllSlicesBytes / std::max<uint64_t>(row_bytes, 1);
    const uint64_t step = std::max<uint64_t>(slice_rows / kLogits, 1) * kLogits;
    for (uint64_t first = 0; first < vocabulary_; first += step) {
      RunSlice(first, std::min(step, vocabulary_ - first));
    }
  }

  void RunSlice(uint64_t first, uint64_t rows) {
    for (ScoredHead& head : heads_) {
      DenseMaker maker(head.input->weights->checkpoint(), run_.compute,
                       run_.threads);
      head.slice.clear();
      for (uint64_t row = 0; row < rows; row += kLogits) {
        head.slice.push_back(maker.Make(*head.matrix, first + row,
                                        std::min(kLogits, rows - row)));
      }
    }
    ParallelFor((scored_.size() + kChunkTokens - 1) / kChunkTokens,
                run_.threads, [&](uint64_t chunk, int worker) {
                  const uint64_t start = chunk * kChunkTokens;
                  RunChunk(first, start,
                           std::min(kChunkTokens, scored_.size() - start),
                           workers_[static_cast<size_t>(worker)]);
                });
    for (const ScoredHead& head : heads_) {
      run_.progress->Advance(2 * rows * head.matrix->cols * scored_.size() /
                             total_);
    }
  }

  // What the head is multiplied with, for scored tokens [start, start + n).
  void Load(const ScoredHead& head, uint64_t start, uint64_t n,
            std::vector<float>& buffer) const {
    const uint64_t width = head.matrix->cols;
    float* rows = Room(buffer, n * width);
    for (uint64_t i = 0; i < n;) {
      uint64_t run = 1;
      while (i + run < n &&
             scored_[start + i + run].row == scored_[start + i].row + run) {
        ++run;
      }
      head.input->hidden->Read(scored_[start + i].row, run, rows + i * width);
      i += run;
    }
    head.norm.Apply(rows, n, width, rows);
  }

  void RunChunk(uint64_t first, uint64_t start, uint64_t n,
                HeadWorker& worker) {
    const bool compare = run_.options->compare;
    worker.normed.resize(heads_.size());
    worker.shrink.resize(n);
    for (size_t m = 0; m < heads_.size(); ++m) {
      Load(heads_[m], start, n, worker.normed[m]);
    }
    for (size_t part = 0; part < heads_[0].slice.size(); ++part) {
      const uint64_t column = first + part * kLogits;
      const uint64_t columns = heads_[0].slice[part]->out();
      const float* p =
          Logits(heads_[0], part, worker.normed[0], n, worker.baseline_logits);
      for (uint64_t i = 0; i < n; ++i) {
        worker.shrink[i] =
            Add(heads_[0], start + i, column, columns, p + i * columns);
      }
      for (size_t m = 1; m < heads_.size(); ++m) {
        const float* q =
            Logits(heads_[m], part, worker.normed[m], n, worker.logits);
        for (uint64_t i = 0; i < n; ++i) {
          const float* mine = q + i * columns;
          Add(heads_[m], start + i, column, columns, mine);
          if (!compare) continue;
          double& cross = heads_[m].state[start + i].cross;
          cross =
              cross * worker.shrink[i] + SumExp(p + i * columns, mine, columns,
                                                heads_[0].state[start + i].max)
                                             .exp_times_difference;
        }
      }
    }
  }

  static const float* Logits(const ScoredHead& head, size_t part,
                             const std::vector<float>& normed, uint64_t n,
                             std::vector<float>& buffer) {
    const Linear& linear = *head.slice[part];
    float* logits = Room(buffer, n * linear.out());
    linear.Apply(normed.data(), n, logits);
    const float cap = head.input->config->logit_softcap;
    if (cap > 0) SoftCap(n * linear.out(), cap, logits);
    return logits;
  }

  double Add(ScoredHead& head, uint64_t i, uint64_t column, uint64_t columns,
             const float* logits) {
    RunningSoftmax& state = head.state[i];
    const auto token = static_cast<uint64_t>(scored_[i].token);
    if (token >= column && token - column < columns) {
      state.target = logits[token - column];
    }
    return state.Add(logits, columns, column);
  }

  // Adds the scores of the block.
  void Finish(size_t model, ModelScores& scores) const {
    const ScoredHead& head = heads_[model];
    for (size_t i = 0; i < scored_.size(); ++i) {
      const RunningSoftmax& q = head.state[i];
      CheckFinite(head, i);
      const auto token = static_cast<uint32_t>(scored_[i].token);
      scores.tokens.push_back(
          {static_cast<float>(q.target - q.LogSum()), q.top == token});
      if (!Compared(model)) continue;
      const RunningSoftmax& p = heads_[0].state[i];
      const double kl = q.cross / p.sum - p.LogSum() + q.LogSum();
      scores.comparisons.push_back(
          {static_cast<float>(std::max(kl, 0.0)), p.top == q.top});
    }
  }

  void CheckFinite(const ScoredHead& head, size_t i) const {
    const RunningSoftmax& state = head.state[i];
    if (std::isfinite(state.sum) && std::isfinite(state.max) &&
        std::isfinite(state.target)) {
      return;
    }
    Fail(ErrorKind::kCorrupt,
         "{}: found NaN in the logits of {} {}, expected finite numbers",
         head.input->weights->checkpoint().path().string(),
         run_.options->segment_word, scored_[i].segment);
  }

  const RunContext& run_;
  uint64_t total_;                   // scored tokens
  std::vector<ScoredToken> scored_;  // of the block
  std::vector<ScoredHead> heads_;
  std::vector<HeadWorker> workers_;
  uint64_t vocabulary_ = 0;
};

}  // namespace

std::vector<ModelScores> ScoreVocabulary(std::span<const HeadInput> models,
                                         const RunContext& run) {
  return Scorer(models, run).Run();
}

}  // namespace ram
