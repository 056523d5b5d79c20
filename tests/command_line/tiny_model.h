// A Llama checkpoint of a few thousand weights, to be written, broken and
// written again.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "ram/base/json.h"
#include "ram/base/random.h"
#include "ram/container/safetensors.h"
#include "ram/tensor/convert.h"

namespace ram {

struct TinyTensor {
  std::vector<uint64_t> shape;
  std::vector<float> values;  // stored as BF16
};

struct TinyModel {
  Json config = {{"architectures", {"LlamaForCausalLM"}},
                 {"model_type", "llama"},
                 {"hidden_size", 128},
                 {"intermediate_size", 256},
                 {"num_hidden_layers", 2},
                 {"num_attention_heads", 4},
                 {"num_key_value_heads", 2},
                 {"head_dim", 32},
                 {"vocab_size", 64},
                 {"tie_word_embeddings", true},
                 {"torch_dtype", "bfloat16"}};
  std::map<std::string, TinyTensor> tensors;

  TinyModel() {
    Add("model.embed_tokens.weight", {64, 128});
    for (const int layer : {0, 1}) {
      const std::string prefix = "model.layers." + std::to_string(layer) + ".";
      Add(prefix + "self_attn.q_proj.weight", {128, 128});
      Add(prefix + "self_attn.k_proj.weight", {64, 128});
      Add(prefix + "self_attn.v_proj.weight", {64, 128});
      Add(prefix + "self_attn.o_proj.weight", {128, 128});
      Add(prefix + "mlp.gate_proj.weight", {256, 128});
      Add(prefix + "mlp.up_proj.weight", {256, 128});
      Add(prefix + "mlp.down_proj.weight", {128, 256});
      Add(prefix + "input_layernorm.weight", {128});
      Add(prefix + "post_attention_layernorm.weight", {128});
    }
    Add("model.norm.weight", {128});
  }

  // Normal values with deviation 0.05.
  void Add(const std::string& name, std::vector<uint64_t> shape) {
    uint64_t elements = 1;
    for (const uint64_t dimension : shape) elements *= dimension;
    const CounterRandom random(7, name);
    TinyTensor tensor{std::move(shape), std::vector<float>(elements)};
    for (uint64_t i = 0; i < elements; ++i) {
      tensor.values[i] = static_cast<float>(0.05 * random.Normal(i));
    }
    tensors[name] = std::move(tensor);
  }

  // Creates `directory` with config.json and model.safetensors.
  void Write(const std::filesystem::path& directory) const {
    std::filesystem::create_directories(directory);
    std::ofstream(directory / "config.json") << config.dump(2);
    std::vector<SafetensorsTensor> list;
    for (const auto& [name, tensor] : tensors) {
      list.push_back({name, DType::kBF16, tensor.shape});
    }
    std::ofstream file(directory / "model.safetensors", std::ios::binary);
    file << LayOutSafetensors(list, {{"format", "pt"}}).prefix;
    for (const auto& [name, tensor] : tensors) {
      std::vector<std::byte> bytes(2 * tensor.values.size());
      FromFloat(DType::kBF16, tensor.values, bytes.data());
      file.write(reinterpret_cast<const char*>(bytes.data()),
                 static_cast<std::streamsize>(bytes.size()));
    }
  }
};

}  // namespace ram
