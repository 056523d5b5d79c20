#include "ram/evaluation/grouped_attention.h"

#include <algorithm>

namespace ram {

GroupedAttention::GroupedAttention(const TransformerConfig& config,
                                   const RotaryTable& rotary, int layer,
                                   const ModelWeights& weights,
                                   LinearMaker& maker)
    : config_(config),
      rotary_(rotary),
      in_(weights, layer, config.norms.attention_in, config.hidden, config),
      out_(weights, layer, config.norms.attention_out, config.hidden, config),
      query_(weights, maker, layer, "q_proj"),
      key_(weights, maker, layer, "k_proj"),
      value_(weights, maker, layer, "v_proj"),
      output_(weights, maker, layer, "o_proj") {
  if (config.qk_norm) {
    query_norm_ = Norm(weights, layer, "self_attn.q_norm.weight",
                       config.head_dim, config);
    key_norm_ = Norm(weights, layer, "self_attn.k_norm.weight", config.head_dim,
                     config);
  }
  shape_.heads = config.heads;
  shape_.kv_heads = config.kv_heads;
  shape_.key_dim = config.head_dim;
  shape_.value_dim = config.value_dim;
  shape_.key_stride = config.kv_heads * config.head_dim;
  shape_.value_stride = config.kv_heads * config.value_dim;
  shape_.scale = config.attention_scale;
  shape_.compute = maker.compute();
  shape_.window = config.layers[static_cast<size_t>(layer)].window;
}

KeyValueShape GroupedAttention::key_values() const {
  return {shape_.key_stride, shape_.value_stride};
}

void GroupedAttention::Place(const Norm& norm, const TextRows& piece,
                             uint64_t heads, float* rows) const {
  const uint64_t dim = config_.head_dim;
  if (!norm.empty()) norm.Apply(rows, piece.rows * heads, dim, rows);
  for (uint64_t row = 0; row < piece.rows; ++row) {
    for (uint64_t head = 0; head < heads; ++head) {
      rotary_.Apply(piece.position + row, rows + (row * heads + head) * dim);
    }
  }
}

void GroupedAttention::Run(std::span<const TextRows> pieces, float* x,
                           AttentionScratch& scratch) const {
  const uint64_t rows = pieces.back().row + pieces.back().rows;
  const uint64_t hidden = config_.hidden;
  const uint64_t query_width = query_.out();
  const uint64_t out_width = output_.in();
  float* normed = Room(scratch.normed, rows * hidden);
  float* queries = Room(scratch.queries, rows * query_width);
  float* keys = Room(scratch.keys, rows * shape_.key_stride);
  float* values = Room(scratch.values, rows * shape_.value_stride);
  float* attended = Room(scratch.attended, rows * out_width);
  in_.Apply(x, rows, hidden, normed);
  query_.Apply(normed, rows, queries);
  key_.Apply(normed, rows, keys);
  value_.Apply(normed, rows, values);
  for (const TextRows& piece : pieces) {
    const KeyValueRows room = piece.past->Append(piece.rows);
    std::copy_n(keys + piece.row * shape_.key_stride,
                piece.rows * shape_.key_stride, room.keys);
    std::copy_n(values + piece.row * shape_.value_stride,
                piece.rows * shape_.value_stride, room.values);
    Place(key_norm_, piece, config_.kv_heads, room.keys);
    float* mine = queries + piece.row * query_width;
    Place(query_norm_, piece, config_.heads, mine);
    Attend(shape_, mine, piece.rows, piece.position, piece.past->All(),
           attended + piece.row * out_width, scratch.attend);
  }
  float* out = Room(scratch.out, rows * hidden);
  output_.Apply(attended, rows, out);
  if (!out_.empty()) out_.Apply(out, rows, hidden, out);
  AddScaled(out, rows * hidden, 1.0f, x);
}

}  // namespace ram
