// Manifests for the tests, without weights.
#pragma once

#include <cmath>
#include <functional>
#include <string>

#include "ram/allocation/allocate.h"
#include "ram/analysis/manifest.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/target/target.h"

namespace ram {

inline Json TinyConfig() {
  return Json::parse(R"({
    "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
    "hidden_size": 256, "intermediate_size": 384, "num_hidden_layers": 3,
    "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64,
    "vocab_size": 512, "tie_word_embeddings": false,
    "torch_dtype": "bfloat16"})");
}

inline Json TinyMoeConfig() {
  return Json::parse(R"({
    "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe",
    "hidden_size": 128, "intermediate_size": 256,
    "moe_intermediate_size": 64, "num_hidden_layers": 2,
    "num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 64,
    "num_experts": 4, "num_experts_per_tok": 2, "decoder_sparse_step": 1,
    "mlp_only_layers": [], "vocab_size": 256,
    "tie_word_embeddings": false, "torch_dtype": "bfloat16"})");
}

// Errors as on Gaussian weights, times `noise`.
inline void SetErrors(const Matrix& matrix, double noise,
                      const std::vector<MeasuredScheme>& schemes,
                      MatrixRecord& record) {
  record.squared_norm = static_cast<double>(matrix.weights());
  record.nmse.clear();
  for (const MeasuredScheme& measured : schemes) {
    const auto& [scheme, encoder] = measured;
    const double group = 1 + std::log2(scheme.group_size / 32.0) / 4;
    const double better = encoder == Encoder::kSearch ? 0.8 : 1.0;
    record.nmse.push_back(SchemeFits(scheme, matrix.cols)
                              ? std::min(1.0, 1.8 * noise * group * better *
                                                  std::pow(4.0, -scheme.bits))
                              : NAN);
  }
}

// Four metrics whose fixed scores are all `score`.
inline Metrics MetricsOfScore(double score) {
  return {0.1 + 0.8 * score, 10 * score, std::pow(10.0, 3 * score - 2),
          0.005 + 0.045 * score};
}

inline Manifest TestManifest(
    const Json& config,
    const std::function<void(const Matrix&, MatrixRecord&)>& fill =
        [](const Matrix&, MatrixRecord&) {}) {
  Manifest manifest;
  manifest.tool = "ram test";
  manifest.schemes = AffineMeasuredSchemes();
  manifest.model = DescribeModel(config, ExpectedTensors(config), "model");
  for (const Matrix& matrix : manifest.model.matrices) {
    MatrixRecord record;
    record.name = matrix.name;
    record.metrics = MetricsOfScore(0.5);
    SetErrors(matrix, 1.0, manifest.schemes, record);
    fill(matrix, record);
    manifest.matrices.push_back(std::move(record));
  }
  return manifest;
}

inline Plan MakePlan(const Manifest& manifest, const AllocateOptions& options,
                     const char* target = "mlx") {
  return Allocate(manifest, FindTarget(target), options);
}

}  // namespace ram
