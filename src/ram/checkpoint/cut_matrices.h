// From a tensor to the canonical matrices in it.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/model.h"
#include "ram/checkpoint/model_config.h"

namespace ram {

// Where in the model a tensor stands.
struct Place {
  std::string_view prefix;  // of the pattern's paths: "model.layers.3."
  int layer = -1;
  int expert = -1;
  Section section = Section::kText;
  uint32_t tensor = 0;
};

// A run of rows of a tensor, per expert of a stack.
struct Piece {
  std::string_view role;
  std::string_view part;
  uint64_t first_row = 0;
  uint64_t block_rows = 0;
  uint64_t block_stride = 0;
  uint64_t blocks = 1;
  bool transposed = false;
};

// The pieces of an expert's (or the whole tensor's) `rows` rows.
std::vector<Piece> PiecesOf(const TensorPattern& pattern,
                            const ModelConfig& config, uint64_t rows);

// The roles PiecesOf gives, without a config.
std::vector<std::string_view> RolesOf(const TensorPattern& pattern);

// The matrix of one piece of expert `expert`'s share of `tensor`, without its
// name and norm. `base_row` is where that share begins.
Matrix MatrixOf(const Piece& piece, const Place& place, uint64_t base_row,
                uint64_t source_cols);

// Replaces '*' and '#' in `path`.
std::string FillIn(std::string_view prefix, std::string_view path, int expert,
                   std::string_view role);

// All leading dimensions flattened.
uint64_t SourceRows(const TensorInfo& tensor);

}  // namespace ram
