// What mlx-lm makes of each model family: the names of its modules and which
// of them can be quantised. Source: mlx_lm/models/*.py, version 0.32.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/checkpoint/model.h"

namespace ram {

struct MlxFamily {
  std::string_view family;      // Architecture::family
  std::string_view model_type;  // of the class that loads it; empty: its own
  // Leaves of modules that have a bias: "q_proj".
  std::vector<std::string_view> biases = {};
  bool can_tie = true;            // the head may be the embedding
  bool raw_router = false;        // a class of its own that is not quantised
  bool separate_experts = false;  // a module for each expert
  // Roles that share a module, in its order, and the module's leaf.
  std::vector<std::string_view> fused_roles = {};
  std::vector<std::string_view> fused_leaves = {};  // parallel
  std::string_view prefix = {};                     // put before every name
  bool language_model = false;  // the text model lies in "language_model."
};

// Null for a family that is unknown: names are then kept.
const MlxFamily* FindMlxFamily(const Model& model);

// mlx-lm's name for a tensor of this name.
std::string MlxName(const MlxFamily& family, std::string_view name);

// The module that holds this matrix; matrices with equal names are stored
// together.
std::string MlxModule(const MlxFamily* family, const Model& model,
                      const Matrix& matrix);

// Where the matrix lies in a module that it shares with other roles.
size_t MlxPlace(const MlxFamily* family, const Matrix& matrix);

// Whether mlx-lm can quantise the module of this matrix.
bool MlxQuantizable(const MlxFamily* family, const Matrix& matrix);

// Throws kUnsupported for what mlx-lm cannot load of a known family: a tied
// head or biases that its modules lack.
void CheckMlxLoads(const MlxFamily& family, const Model& model);

}  // namespace ram
