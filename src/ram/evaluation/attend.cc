#include "ram/evaluation/attend.h"

#include <algorithm>
#include <limits>

#include "ram/evaluation/dense_linear.h"
#include "ram/evaluation/row_kernels.h"

namespace ram {
namespace {

constexpr uint64_t kScoreRows = 256;  // query x head pairs of a block, at least
constexpr uint64_t kKeys = 512;       // keys of a block
constexpr float kNone = -std::numeric_limits<float>::infinity();

// The queries of one group of heads, which share keys and values.
class Block {
 public:
  Block(const AttentionShape& shape, AttendScratch& scratch, uint64_t group,
        uint64_t position, uint64_t rows)
      : shape_(shape),
        scratch_(scratch),
        group_(group),
        heads_(shape.heads / shape.kv_heads),
        position_(position),
        rows_(rows) {
    const uint64_t count = heads_ * rows_;
    scratch_.queries.resize(
        std::max(scratch_.queries.size(), count * shape.key_dim));
    scratch_.scores.resize(std::max(scratch_.scores.size(), count * kKeys));
    scratch_.sums.assign(count * shape.value_dim, 0.0f);
    scratch_.maximum.assign(count, kNone);
    scratch_.total.assign(count, 0.0f);
  }

  // queries: those of the block's first row.
  void Load(const float* queries) {
    const uint64_t width = shape_.heads * shape_.key_dim;
    for (uint64_t head = 0; head < heads_; ++head) {
      for (uint64_t i = 0; i < rows_; ++i) {
        const float* from =
            queries + i * width + (group_ * heads_ + head) * shape_.key_dim;
        float* to =
            scratch_.queries.data() + (head * rows_ + i) * shape_.key_dim;
        for (uint64_t j = 0; j < shape_.key_dim; ++j) {
          to[j] = from[j] * shape_.scale;
        }
      }
    }
  }

  // Keys and values of `count` tokens from position `first` on.
  void Meet(const float* keys, const float* values, uint64_t first,
            uint64_t count) {
    const uint64_t pairs = heads_ * rows_;
    float* scores = scratch_.scores.data();
    Multiply(true, pairs, count, shape_.key_dim, scratch_.queries.data(), keys,
             shape_.key_stride, false, scores);
    for (uint64_t pair = 0; pair < pairs; ++pair) {
      Weigh(pair, first, count, scores + pair * count);
    }
    Multiply(false, pairs, shape_.value_dim, count, scores, values,
             shape_.value_stride, true, scratch_.sums.data());
  }

  void Store(float* out) const {
    const uint64_t width = shape_.heads * shape_.value_dim;
    for (uint64_t head = 0; head < heads_; ++head) {
      for (uint64_t i = 0; i < rows_; ++i) {
        const uint64_t pair = head * rows_ + i;
        const float factor = 1.0f / scratch_.total[pair];
        const float* from = scratch_.sums.data() + pair * shape_.value_dim;
        float* to =
            out + i * width + (group_ * heads_ + head) * shape_.value_dim;
        for (uint64_t j = 0; j < shape_.value_dim; ++j)
          to[j] = from[j] * factor;
      }
    }
  }

 private:
  // c = a x b (or its transpose), or c += ...
  void Multiply(bool transpose, uint64_t rows, uint64_t out, uint64_t in,
                const float* a, const float* b, uint64_t b_stride,
                bool accumulate, float* c) const {
    if (shape_.compute == ComputeType::kBF16) {
      MultiplyBF16(transpose, rows, out, in, a, b, b_stride, accumulate, c);
    } else {
      MultiplyF32(transpose, rows, out, in, 1.0f, a, in, b, b_stride,
                  accumulate ? 1.0f : 0.0f, c, out);
    }
  }

  // Turns scores into weights relative to the maximum so far, zero where the
  // query may not look.
  void Weigh(uint64_t pair, uint64_t first, uint64_t count, float* scores) {
    const uint64_t query = position_ + pair % rows_;
    const uint64_t end = query < first ? 0 : std::min(count, query - first + 1);
    uint64_t begin = 0;
    if (shape_.window > 0 && query + 1 > first + shape_.window) {
      begin = std::min(end, query + 1 - shape_.window - first);
    }
    std::fill(scores, scores + begin, 0.0f);
    std::fill(scores + end, scores + count, 0.0f);
    if (begin == end) return;
    float* seen = scores + begin;
    const uint64_t n = end - begin;
    float& maximum = scratch_.maximum[pair];
    const float top = std::max(maximum, MaxOf(seen, n));
    const float sum = ExpInPlace(n, top, seen);
    float& total = scratch_.total[pair];
    if (top > maximum) {
      const float shrink = maximum == kNone ? 0.0f : ExpOf(maximum - top);
      total *= shrink;
      float* sums = scratch_.sums.data() + pair * shape_.value_dim;
      for (uint64_t j = 0; j < shape_.value_dim; ++j) sums[j] *= shrink;
      maximum = top;
    }
    total += sum;
  }

  static float ExpOf(float x) {
    ExpInPlace(1, 0.0f, &x);
    return x;
  }

  const AttentionShape& shape_;
  AttendScratch& scratch_;
  uint64_t group_;
  uint64_t heads_;
  uint64_t position_;
  uint64_t rows_;
};

void AttendBlock(const AttentionShape& shape, uint64_t group, uint64_t position,
                 uint64_t rows, std::span<const KeyValueRows> past,
                 Block& block) {
  const uint64_t last = position + rows;  // no key from here on is seen
  const uint64_t seen_from = shape.window > 0 && position + 1 > shape.window
                                 ? position + 1 - shape.window
                                 : 0;
  uint64_t first = 0;
  for (const KeyValueRows& span : past) {
    const float* values = span.values ? span.values : span.keys;
    for (uint64_t row = 0; row < span.rows; row += kKeys) {
      const uint64_t from = first + row;
      if (from >= last) return;
      const uint64_t count = std::min({kKeys, span.rows - row, last - from});
      if (from + count <= seen_from) continue;
      block.Meet(span.keys + row * shape.key_stride + group * shape.key_dim,
                 values + row * shape.value_stride + group * shape.value_dim,
                 from, count);
    }
    first += span.rows;
  }
}

}  // namespace

void Attend(const AttentionShape& shape, const float* queries, uint64_t rows,
            uint64_t position, std::span<const KeyValueRows> past, float* out,
            AttendScratch& scratch) {
  const uint64_t heads = shape.heads / shape.kv_heads;
  const uint64_t step = std::max<uint64_t>(kScoreRows / heads, 1);
  for (uint64_t row = 0; row < rows; row += step) {
    const uint64_t count = std::min(step, rows - row);
    for (uint64_t group = 0; group < shape.kv_heads; ++group) {
      Block block(shape, scratch, group, position + row, count);
      block.Load(queries + row * shape.heads * shape.key_dim);
      AttendBlock(shape, group, position + row, count, past, block);
      block.Store(out + row * shape.heads * shape.value_dim);
    }
  }
}

}  // namespace ram
