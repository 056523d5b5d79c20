#include "ram/checkpoint/cut_matrices.h"

namespace ram {
namespace {

Piece Rows(std::string_view role, std::string_view part, uint64_t first,
           uint64_t rows, bool transposed = false) {
  return {role, part, first, rows, rows, 1, transposed};
}

}  // namespace

std::vector<std::string_view> RolesOf(const TensorPattern& pattern) {
  switch (pattern.cut) {
    case Cut::kQkv:
      return {"q_proj", "k_proj", "v_proj"};
    case Cut::kGateUp:
      return {"gate_proj", "up_proj"};
    case Cut::kKvB:
      return {"embed_q", "unembed_out"};
    case Cut::kWhole:
    case Cut::kHeads:
      break;
  }
  return {pattern.role};
}

std::vector<Piece> PiecesOf(const TensorPattern& pattern,
                            const ModelConfig& config, uint64_t rows) {
  switch (pattern.cut) {
    case Cut::kQkv: {
      const uint64_t q = config.Evaluate("num_attention_heads * head_dim");
      const uint64_t kv = config.Evaluate("num_key_value_heads * head_dim");
      return {Rows("q_proj", "q", 0, q), Rows("k_proj", "k", q, kv),
              Rows("v_proj", "v", q + kv, kv)};
    }
    case Cut::kGateUp:
      return {Rows("gate_proj", "gate", 0, rows / 2),
              Rows("up_proj", "up", rows / 2, rows / 2)};
    case Cut::kKvB: {
      const uint64_t heads = config.Get("num_attention_heads");
      const uint64_t keys = config.Get("qk_nope_head_dim");
      const uint64_t values = config.Get("v_head_dim");
      const uint64_t stride = keys + values;
      return {
          {"embed_q", "embed_q", 0, keys, stride, heads, true},
          {"unembed_out", "unembed_out", keys, values, stride, heads, false}};
    }
    case Cut::kHeads: {
      const uint64_t heads = config.Get("num_attention_heads");
      const uint64_t height = rows / heads;
      return {{pattern.role, {}, 0, height, height, heads, false}};
    }
    case Cut::kWhole:
      break;
  }
  return {Rows(pattern.role, {}, 0, rows, pattern.transposed)};
}

Matrix MatrixOf(const Piece& piece, const Place& place, uint64_t base_row,
                uint64_t source_cols) {
  Matrix matrix;
  matrix.role = piece.role;
  matrix.part = piece.part;
  matrix.layer = place.layer;
  matrix.expert = place.expert;
  matrix.section = place.section;
  matrix.tensor = place.tensor;
  matrix.first_row = base_row + piece.first_row;
  matrix.block_rows = piece.block_rows;
  matrix.block_stride = piece.block_stride;
  matrix.blocks = piece.blocks;
  matrix.source_cols = source_cols;
  matrix.transposed = piece.transposed;
  matrix.rows =
      piece.blocks * (piece.transposed ? source_cols : piece.block_rows);
  matrix.cols = piece.transposed ? piece.block_rows : source_cols;
  return matrix;
}

std::string FillIn(std::string_view prefix, std::string_view path, int expert,
                   std::string_view role) {
  std::string name(prefix);
  for (char c : path) {
    if (c == '*') {
      name += std::to_string(expert);
    } else if (c == '#') {
      name += role;
    } else {
      name += c;
    }
  }
  return name;
}

uint64_t SourceRows(const TensorInfo& tensor) {
  return tensor.elements() / tensor.shape.back();
}

}  // namespace ram
