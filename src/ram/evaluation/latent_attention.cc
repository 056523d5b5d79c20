#include "ram/evaluation/latent_attention.h"

#include <algorithm>

namespace ram {
namespace {

// Copies [rows, width] between buffers of different strides.
void CopyRows(const float* from, uint64_t from_stride, uint64_t rows,
              uint64_t width, float* to, uint64_t to_stride) {
  for (uint64_t row = 0; row < rows; ++row) {
    std::copy_n(from + row * from_stride, width, to + row * to_stride);
  }
}

}  // namespace

LatentAttention::LatentAttention(const TransformerConfig& config,
                                 const RotaryTable& rotary, int layer,
                                 const ModelWeights& weights,
                                 LinearMaker& maker)
    : config_(config),
      rotary_(rotary),
      in_(weights, layer, config.norms.attention_in, config.hidden, config),
      out_(weights, layer, config.norms.attention_out, config.hidden, config),
      latent_norm_(weights, layer, "self_attn.kv_a_layernorm.weight",
                   config.latent.rank, config),
      latent_(weights, maker, layer, "kv_a_proj"),
      output_(weights, maker, layer, "o_proj") {
  const LatentConfig& latent = config.latent;
  if (latent.query_rank > 0) {
    query_down_ = Projection(weights, maker, layer, "q_a_proj");
    query_norm_ = Norm(weights, layer, "self_attn.q_a_layernorm.weight",
                       latent.query_rank, config);
    query_ = Projection(weights, maker, layer, "q_b_proj");
  } else {
    query_ = Projection(weights, maker, layer, "q_proj");
  }
  const Matrix& embed = weights.Get(layer, "embed_q");
  const Matrix& unembed = weights.Get(layer, "unembed_out");
  for (uint64_t head = 0; head < config.heads; ++head) {
    embed_.emplace_back(maker, embed, head * latent.rank, latent.rank);
    unembed_.emplace_back(maker, unembed, head * config.value_dim,
                          config.value_dim);
  }
  shape_.heads = config.heads;
  shape_.kv_heads = 1;
  shape_.key_dim = latent.rank + latent.rope_dim;
  shape_.value_dim = latent.rank;
  shape_.key_stride = shape_.key_dim;
  shape_.value_stride = shape_.key_dim;
  shape_.scale = config.attention_scale;
  shape_.compute = maker.compute();
  shape_.window = config.layers[static_cast<size_t>(layer)].window;
}

const float* LatentAttention::Queries(const float* normed, uint64_t rows,
                                      AttentionScratch& scratch) const {
  float* queries = Room(scratch.queries, rows * query_.out());
  if (config_.latent.query_rank == 0) {
    query_.Apply(normed, rows, queries);
    return queries;
  }
  float* compressed = Room(scratch.compressed, rows * query_down_.out());
  query_down_.Apply(normed, rows, compressed);
  query_norm_.Apply(compressed, rows, query_down_.out(), compressed);
  query_.Apply(compressed, rows, queries);
  return queries;
}

float* LatentAttention::Absorb(const float* queries,
                               std::span<const TextRows> pieces, uint64_t rows,
                               AttentionScratch& scratch) const {
  const uint64_t rank = config_.latent.rank;
  const uint64_t nope = config_.latent.nope_dim;
  const uint64_t rope = config_.latent.rope_dim;
  const uint64_t from_stride = config_.heads * (nope + rope);
  const uint64_t to_stride = config_.heads * shape_.key_dim;
  float* wide = Room(scratch.wide, rows * to_stride);
  float* in = Room(scratch.head, rows * (nope + rank));
  float* out = in + rows * nope;
  for (uint64_t head = 0; head < config_.heads; ++head) {
    const float* from = queries + head * (nope + rope);
    float* to = wide + head * shape_.key_dim;
    CopyRows(from, from_stride, rows, nope, in, nope);
    embed_[head].Apply(in, rows, out);
    CopyRows(out, rank, rows, rank, to, to_stride);
    CopyRows(from + nope, from_stride, rows, rope, to + rank, to_stride);
    for (const TextRows& piece : pieces) {
      for (uint64_t i = 0; i < piece.rows; ++i) {
        rotary_.Apply(piece.position + i,
                      to + rank + (piece.row + i) * to_stride);
      }
    }
  }
  return wide;
}

void LatentAttention::Unembed(const float* attended, uint64_t rows,
                              float* values, AttentionScratch& scratch) const {
  const uint64_t rank = config_.latent.rank;
  const uint64_t dim = config_.value_dim;
  float* in = Room(scratch.head, rows * (rank + dim));
  float* out = in + rows * rank;
  for (uint64_t head = 0; head < config_.heads; ++head) {
    CopyRows(attended + head * rank, config_.heads * rank, rows, rank, in,
             rank);
    unembed_[head].Apply(in, rows, out);
    CopyRows(out, dim, rows, dim, values + head * dim, config_.heads * dim);
  }
}

void LatentAttention::Run(std::span<const TextRows> pieces, float* x,
                          AttentionScratch& scratch) const {
  const uint64_t rows = pieces.back().row + pieces.back().rows;
  const uint64_t hidden = config_.hidden;
  const uint64_t width = shape_.key_dim;
  float* normed = Room(scratch.normed, rows * hidden);
  in_.Apply(x, rows, hidden, normed);
  const float* queries =
      Absorb(Queries(normed, rows, scratch), pieces, rows, scratch);
  float* latents = Room(scratch.keys, rows * width);
  latent_.Apply(normed, rows, latents);
  latent_norm_.Apply(latents, rows, width, latents);
  float* attended =
      Room(scratch.attended, rows * config_.heads * config_.latent.rank);
  for (const TextRows& piece : pieces) {
    float* mine = latents + piece.row * width;
    for (uint64_t i = 0; i < piece.rows; ++i) {
      rotary_.Apply(piece.position + i, mine + i * width + config_.latent.rank);
    }
    const KeyValueRows room = piece.past->Append(piece.rows);
    std::copy_n(mine, piece.rows * width, room.keys);
    Attend(shape_, queries + piece.row * config_.heads * width, piece.rows,
           piece.position, piece.past->All(),
           attended + piece.row * config_.heads * config_.latent.rank,
           scratch.attend);
  }
  float* values = Room(scratch.values, rows * output_.in());
  Unembed(attended, rows, values, scratch);
  float* out = Room(scratch.out, rows * hidden);
  output_.Apply(values, rows, out);
  if (!out_.empty()) out_.Apply(out, rows, hidden, out);
  AddScaled(out, rows * hidden, 1.0f, x);
}

}  // namespace ram
