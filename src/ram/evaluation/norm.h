// RMSNorm with its weights (arXiv:1910.07467).
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ram/evaluation/model_weights.h"
#include "ram/evaluation/row_kernels.h"
#include "ram/evaluation/transformer_config.h"

namespace ram {

class Norm {
 public:
  // Leaves everything as it is.
  Norm() = default;
  Norm(std::vector<float> weights, const TransformerConfig& config)
      : weights_(std::move(weights)),
        epsilon_(config.norm_epsilon),
        offset_(config.norm_offset) {}
  // The tensor `name` of a layer, of n numbers; no norm where it is empty.
  Norm(const ModelWeights& weights, int layer, const std::string& name,
       uint64_t n, const TransformerConfig& config)
      : Norm(name.empty() ? std::vector<float>()
                          : weights.LayerVector(layer, name, n),
             config) {}

  bool empty() const { return weights_.empty(); }

  // out [rows, n], may be `in`. `stride`: floats from row to row, of both.
  void Apply(const float* in, uint64_t rows, uint64_t stride,
             float* out) const {
    for (uint64_t row = 0; row < rows; ++row) {
      RmsNorm(in + row * stride, weights_.data(), weights_.size(), epsilon_,
              offset_, out + row * stride);
    }
  }

 private:
  std::vector<float> weights_;
  float epsilon_ = 0;
  float offset_ = 0;
};

// The first n floats of a buffer that only grows.
inline float* Room(std::vector<float>& buffer, uint64_t n) {
  if (buffer.size() < n) buffer.resize(n);
  return buffer.data();
}

}  // namespace ram
