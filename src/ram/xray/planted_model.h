// Models for the tests of the X-ray: the bundled one and small random mixtures,
// in which defects can be planted.
#pragma once

#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ram/analysis/test_checkpoint.h"
#include "ram/base/file.h"
#include "ram/base/random.h"
#include "ram/base/temporary_directory.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/tensor/convert.h"
#include "ram/xray/subject.h"

namespace ram {

inline const std::filesystem::path kWikiDense =
    std::filesystem::path(RAM_SOURCE_DIR) / "models/wiki-dense";

class PlantedModel {
 public:
  // All tensors of a checkpoint.
  static PlantedModel Read(const std::filesystem::path& path) {
    const Checkpoint checkpoint = Checkpoint::Open(path);
    PlantedModel model;
    model.config_ = checkpoint.config_text();
    const auto& tensors = checkpoint.model().tensors;
    for (uint32_t i = 0; i < tensors.size(); ++i) {
      std::vector<std::byte> bytes(tensors[i].bytes());
      checkpoint.ReadTensor(i, 0, bytes);
      std::vector<float> values(tensors[i].elements());
      ToFloat(tensors[i].dtype, bytes.data(), values);
      model.tensors_.push_back({tensors[i].name, tensors[i].dtype,
                                tensors[i].shape, std::move(values)});
    }
    return model;
  }

  // Four layers of sixteen experts, two for each token: normal numbers whose
  // rows and columns differ in size by `spread` (standard deviation of the
  // logarithm), as trained ones do; 0: as initialised.
  static PlantedModel Mixture(double spread) {
    PlantedModel model;
    model.config_ = R"({"architectures": ["Qwen3MoeForCausalLM"],
      "model_type": "qwen3_moe", "hidden_size": 64, "num_hidden_layers": 4,
      "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16,
      "intermediate_size": 128, "moe_intermediate_size": 64,
      "num_experts": 16, "num_experts_per_tok": 2, "decoder_sparse_step": 1,
      "mlp_only_layers": [], "vocab_size": 512, "tie_word_embeddings": true})";
    model.AddRandom("model.embed_tokens.weight", 512, 64, spread);
    for (int l = 0; l < 4; ++l) {
      const std::string layer = fmt::format("model.layers.{}.", l);
      model.AddRandom(layer + "self_attn.q_proj.weight", 64, 64, spread);
      model.AddRandom(layer + "self_attn.k_proj.weight", 32, 64, spread);
      model.AddRandom(layer + "self_attn.v_proj.weight", 32, 64, spread);
      model.AddRandom(layer + "self_attn.o_proj.weight", 64, 64, spread);
      model.AddOnes(layer + "self_attn.q_norm.weight", 16);
      model.AddOnes(layer + "self_attn.k_norm.weight", 16);
      model.AddRandom(layer + "mlp.gate.weight", 16, 64, spread / 2);
      for (int e = 0; e < 16; ++e) {
        const std::string expert = fmt::format("{}mlp.experts.{}.", layer, e);
        model.AddRandom(expert + "gate_proj.weight", 64, 64, spread);
        model.AddRandom(expert + "up_proj.weight", 64, 64, spread);
        model.AddRandom(expert + "down_proj.weight", 64, 64, spread);
      }
      model.AddOnes(layer + "input_layernorm.weight", 64);
      model.AddOnes(layer + "post_attention_layernorm.weight", 64);
    }
    model.AddOnes("model.norm.weight", 64);
    return model;
  }

  RandomTensor& At(std::string_view name) {
    for (RandomTensor& tensor : tensors_) {
      if (tensor.name == name) return tensor;
    }
    throw std::out_of_range(std::string(name));
  }

  std::filesystem::path Write(const TemporaryDirectory& directory) const {
    directory.Write("config.json", config_);
    WriteTensors(directory, "model.safetensors", tensors_);
    return directory.path();
  }

 private:
  void AddRandom(const std::string& name, uint64_t rows, uint64_t cols,
                 double spread) {
    const CounterRandom random(5, name);
    std::vector<double> row(rows), col(cols);
    for (uint64_t i = 0; i < rows; ++i) {
      row[i] = std::exp(spread * random.Normal(1'000'000 + i));
    }
    for (uint64_t i = 0; i < cols; ++i) {
      col[i] = std::exp(spread * random.Normal(2'000'000 + i));
    }
    std::vector<float> values(rows * cols);
    for (uint64_t i = 0; i < values.size(); ++i) {
      values[i] = static_cast<float>(0.02 * random.Normal(i) * row[i / cols] *
                                     col[i % cols]);
    }
    tensors_.push_back({name, DType::kBF16, {rows, cols}, std::move(values)});
  }
  void AddOnes(const std::string& name, uint64_t size) {
    tensors_.push_back(
        {name, DType::kBF16, {size}, std::vector<float>(size, 1.0f)});
  }

  std::string config_;
  std::vector<RandomTensor> tensors_;
};

// Analysed as ram xray does.
inline Subject AnalyzedSubject(const std::filesystem::path& path,
                               Spectra spectra = Spectra::kNone,
                               bool search = false) {
  const Checkpoint checkpoint = Checkpoint::Open(path);
  AnalyzeOptions options;
  options.digests = false;
  options.search = search;
  options.spectra = spectra;
  options.allow_nonfinite = true;
  FactCollector collector(checkpoint.model());
  Subject subject;
  subject.name = "planted";
  subject.manifest = Analyze(checkpoint, options, &collector, NoProgress());
  subject.facts = collector.Take();
  return subject;
}

}  // namespace ram
