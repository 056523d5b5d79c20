// Finds what a layer is made of: canonical matrices by (layer, role, expert),
// norms and biases by name; and makes Linears of matrices.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "ram/checkpoint/checkpoint.h"
#include "ram/evaluation/linear.h"
#include "ram/evaluation/score.h"

namespace ram {

// The matrices and vectors of a model's text part. Keeps a reference.
class ModelWeights {
 public:
  explicit ModelWeights(const Checkpoint& checkpoint);

  const Checkpoint& checkpoint() const { return checkpoint_; }

  // Null when there is none. layer -1: the vocabulary's.
  const Matrix* Find(int layer, std::string_view role, int expert = -1) const;
  // Throws kCorrupt when there is none.
  const Matrix& Get(int layer, std::string_view role, int expert = -1) const;

  // The tensor of this name within a layer ("mlp.gate.bias"), of n floats.
  // Throws kCorrupt when there is none, or of another size.
  std::vector<float> LayerVector(int layer, std::string_view name,
                                 uint64_t n) const;
  // Empty when there is none.
  std::vector<float> FindLayerVector(int layer, std::string_view name,
                                     uint64_t n) const;
  // The bias that belongs to a matrix, empty when there is none.
  std::vector<float> BiasOf(const Matrix& matrix) const;
  // The norm before the head.
  std::vector<float> FinalNorm(uint64_t n) const;

 private:
  std::vector<float> Read(const std::string& name, uint64_t n,
                          bool required) const;
  std::string LayerPrefix(int layer) const;

  const Checkpoint& checkpoint_;
  std::map<std::tuple<int, std::string_view, int>, const Matrix*> matrices_;
  std::unordered_map<std::string_view, uint32_t> tensors_;
};

// Makes a Linear of rows [first_row, first_row + rows) of a matrix.
class LinearMaker {
 public:
  virtual ~LinearMaker() = default;
  virtual std::unique_ptr<Linear> Make(const Matrix& matrix, uint64_t first_row,
                                       uint64_t rows) = 0;
  // What products of activations with each other (attention) are made of.
  virtual ComputeType compute() const { return ComputeType::kF32; }
};

// A Linear and its bias.
class Projection {
 public:
  Projection() = default;
  // All of a matrix.
  Projection(const ModelWeights& weights, LinearMaker& maker,
             const Matrix& matrix);
  Projection(const ModelWeights& weights, LinearMaker& maker, int layer,
             std::string_view role, int expert = -1)
      : Projection(weights, maker, weights.Get(layer, role, expert)) {}
  // Some rows of it, without bias.
  Projection(LinearMaker& maker, const Matrix& matrix, uint64_t first_row,
             uint64_t rows)
      : linear_(maker.Make(matrix, first_row, rows)) {}

  uint64_t in() const { return linear_->in(); }
  uint64_t out() const { return linear_->out(); }
  // x [rows, in], y [rows, out].
  void Apply(const float* x, uint64_t rows, float* y) const;

 private:
  std::unique_ptr<Linear> linear_;
  std::vector<float> bias_;
};

}  // namespace ram
