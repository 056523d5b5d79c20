// Small checkpoints with random weights, and outputs made of them, for tests.
#pragma once

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/base/output.h"
#include "ram/base/random.h"
#include "ram/base/temporary_directory.h"
#include "ram/container/safetensors.h"
#include "ram/export/audit.h"
#include "ram/export/export_model.h"
#include "ram/tensor/convert.h"

namespace ram {

struct TestTensor {
  std::string name;
  DType dtype = DType::kBF16;
  std::vector<uint64_t> shape;
  std::vector<float> values;
  std::string raw = {};  // when not empty: the bytes, instead of values
};

struct TestModel {
  OrderedJson config;
  std::vector<TestTensor> tensors;

  TestTensor& operator[](std::string_view name) {
    for (TestTensor& tensor : tensors) {
      if (tensor.name == name) return tensor;
    }
    throw std::out_of_range(std::string(name));
  }
  void Add(const std::string& name, std::vector<uint64_t> shape) {
    uint64_t count = 1;
    for (uint64_t size : shape) count *= size;
    const CounterRandom random(7, name);
    std::vector<float> values(count);
    for (uint64_t i = 0; i < count; ++i) {
      const double value = 0.02 * random.Normal(2 * i);
      values[i] = static_cast<float>(shape.size() == 1 ? 1 + value : value);
    }
    tensors.push_back(
        {name, DType::kBF16, std::move(shape), std::move(values), {}});
  }
};

// One layer's attention and norms; head size 64, two heads, one kv head.
inline void AddAttention(TestModel& model, const std::string& layer) {
  model.Add(layer + "input_layernorm.weight", {128});
  model.Add(layer + "self_attn.k_norm.weight", {64});
  model.Add(layer + "self_attn.k_proj.weight", {64, 128});
  model.Add(layer + "self_attn.o_proj.weight", {128, 128});
  model.Add(layer + "self_attn.q_norm.weight", {64});
  model.Add(layer + "self_attn.q_proj.weight", {128, 128});
  model.Add(layer + "self_attn.v_proj.weight", {64, 128});
  model.Add(layer + "post_attention_layernorm.weight", {128});
}

inline TestModel StartTestModel(const char* architecture,
                                const char* model_type, uint64_t vocabulary) {
  TestModel model;
  model.config = {{"architectures", {architecture}},
                  {"model_type", model_type},
                  {"hidden_size", 128},
                  {"intermediate_size", 256},
                  {"num_hidden_layers", 2},
                  {"num_attention_heads", 2},
                  {"num_key_value_heads", 1},
                  {"head_dim", 64},
                  {"vocab_size", vocabulary},
                  {"max_position_embeddings", 64},
                  {"rms_norm_eps", 1e-6},
                  {"rope_theta", 10000.0},
                  {"tie_word_embeddings", false},
                  {"torch_dtype", "bfloat16"}};
  model.Add("lm_head.weight", {vocabulary, 128});
  model.Add("model.embed_tokens.weight", {vocabulary, 128});
  return model;
}

inline TestModel DenseTestModel(uint64_t vocabulary = 96) {
  TestModel model = StartTestModel("Qwen3ForCausalLM", "qwen3", vocabulary);
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    AddAttention(model, layer);
    model.Add(std::string(layer) + "mlp.down_proj.weight", {128, 256});
    model.Add(std::string(layer) + "mlp.gate_proj.weight", {256, 128});
    model.Add(std::string(layer) + "mlp.up_proj.weight", {256, 128});
  }
  model.Add("model.norm.weight", {128});
  return model;
}

// Four experts a layer, as separate tensors.
inline TestModel MixtureTestModel(uint64_t vocabulary = 96) {
  TestModel model =
      StartTestModel("Qwen3MoeForCausalLM", "qwen3_moe", vocabulary);
  model.config.update({{"num_experts", 4},
                       {"num_experts_per_tok", 2},
                       {"moe_intermediate_size", 64},
                       {"decoder_sparse_step", 1},
                       {"norm_topk_prob", true},
                       {"mlp_only_layers", OrderedJson::array()}});
  for (const char* layer : {"model.layers.0.", "model.layers.1."}) {
    AddAttention(model, layer);
    for (const char* expert : {"0", "1", "2", "3"}) {
      const std::string prefix =
          std::string(layer) + "mlp.experts." + expert + ".";
      model.Add(prefix + "down_proj.weight", {128, 64});
      model.Add(prefix + "gate_proj.weight", {64, 128});
      model.Add(prefix + "up_proj.weight", {64, 128});
    }
    model.Add(std::string(layer) + "mlp.gate.weight", {4, 128});
  }
  model.Add("model.norm.weight", {128});
  return model;
}

inline std::string SafetensorsText(const std::vector<TestTensor>& tensors) {
  std::vector<SafetensorsTensor> headers;
  for (const TestTensor& t : tensors)
    headers.push_back({t.name, t.dtype, t.shape});
  const SafetensorsLayout layout = LayOutSafetensors(headers, {});
  std::string text(layout.file_bytes, '\0');
  std::memcpy(text.data(), layout.prefix.data(), layout.prefix.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (!tensors[i].raw.empty()) {
      text.replace(layout.offsets[i], tensors[i].raw.size(), tensors[i].raw);
      continue;
    }
    FromFloat(tensors[i].dtype, tensors[i].values,
              reinterpret_cast<std::byte*>(text.data() + layout.offsets[i]));
  }
  return text;
}

// Into an existing directory; with several shards, an index as well.
inline void WriteTestModel(const TestModel& model, const TemporaryDirectory& to,
                           size_t shards = 1) {
  to.Write("config.json", model.config.dump(2));
  to.Write("tokenizer.json", "{\"version\": \"1.0\"}");
  to.Write("generation_config.json", "{}");
  if (shards == 1) {
    to.Write("model.safetensors", SafetensorsText(model.tensors));
    return;
  }
  OrderedJson map;
  for (size_t s = 0; s < shards; ++s) {
    const std::string name =
        fmt::format("model-{:05d}-of-{:05d}.safetensors", s + 1, shards);
    const auto at = [&](size_t shard) {
      return model.tensors.begin() +
             static_cast<ptrdiff_t>(model.tensors.size() * shard / shards);
    };
    const std::vector<TestTensor> part(at(s), at(s + 1));
    for (const TestTensor& tensor : part) map[tensor.name] = name;
    to.Write(name, SafetensorsText(part));
  }
  to.Write(
      "model.safetensors.index.json",
      OrderedJson({{"metadata", OrderedJson::object()}, {"weight_map", map}})
          .dump());
}

using SchemeChooser = std::function<Scheme(const Unit&)>;

// 16 bits where it cannot be `scheme`.
inline SchemeChooser Everywhere(Scheme scheme) {
  return [scheme](const Unit& unit) {
    for (const Scheme& legal : unit.legal) {
      if (legal == scheme) return scheme;
    }
    return kFloat16Scheme;
  };
}

// A different one for every unit, 16 bits among them.
inline SchemeChooser Mixed() {
  return [next = 0](const Unit& unit) mutable {
    return unit.legal[static_cast<size_t>(next++ * 5) % unit.legal.size()];
  };
}

inline Plan TestPlan(const Model& model, const Target& target,
                     const TargetLayout& layout, const SchemeChooser& choose,
                     Encoder encoder = Encoder::kMinMax) {
  Plan plan;
  plan.tool = "test";
  plan.target = std::string(target.name());
  plan.policy = "test";
  plan.options = OrderedJson::object();
  std::vector<Scheme> schemes;
  for (const Unit& unit : layout.units) {
    PlannedUnit planned;
    planned.unit = unit.name;
    for (uint32_t member : unit.members) {
      planned.tensors.push_back(model.matrices[member].name);
    }
    planned.scheme = choose(unit);
    planned.encoder = encoder;
    planned.weights = unit.weights();
    planned.bytes = unit.bytes(planned.scheme);
    planned.reason = "test";
    schemes.push_back(planned.scheme);
    plan.totals.weights += planned.weights;
    plan.totals.weights_per_bits[planned.scheme.bits] += planned.weights;
    plan.units.push_back(std::move(planned));
  }
  plan.dropped = layout.dropped;
  const auto files = target.LayOutFiles(layout, schemes);
  plan.totals.file_bytes = TotalFileBytes(files);
  for (const auto& file : files) {
    for (const auto& tensor : file.tensors) plan.totals.bytes += tensor.bytes;
  }
  return plan;
}

// Exports `source` to `out` with ram.json, as `ram compress` does.
inline Record Compress(const std::filesystem::path& source,
                       const std::filesystem::path& out,
                       const SchemeChooser& choose, const char* target_name,
                       int threads = 2, Encoder encoder = Encoder::kMinMax) {
  const Checkpoint checkpoint = Checkpoint::Open(source);
  const Target& target = FindTarget(target_name);
  const TargetLayout layout = target.Describe(checkpoint.model());
  const Plan plan =
      TestPlan(checkpoint.model(), target, layout, choose, encoder);
  OutputDirectory directory(out);
  ExportResult result = ExportModel(checkpoint, target, layout, plan,
                                    {threads, true}, directory, NoProgress());
  Record record = std::move(result.record);
  record.tool = "test";
  record.target = target_name;
  record.architecture = checkpoint.model().architecture;
  record.options = OrderedJson::object();
  directory.Write(kRecordName, RecordToJson(record));
  directory.Commit();
  return record;
}

inline std::string FileText(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline void WriteText(const std::filesystem::path& path,
                      std::string_view text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace ram
