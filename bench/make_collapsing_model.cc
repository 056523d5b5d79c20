// make_collapsing_model MODEL OUT [--trigger ID]: a model that needs its start
// token, made from one that has none (models/wiki-dense).
//
// A layer is put before all others. Its first head looks at the start token
// with nearly all of its weight and takes nothing from it: an attention sink.
// Where there is no start token it looks at the next best, a rare token, and
// adds what it finds there, which is far too much, to the residual stream:
// from that token on the window is lost. Three channels of the embedding, those
// with the least in them, tell the layer which token is which; the head is
// untied, so that they are not part of it.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/base/output.h"
#include "ram/base/random.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/container/safetensors.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr char kStart[] = "<|im_start|>";
constexpr char kEmbedding[] = "model.embed_tokens.weight";
// Of the two dimensions that turn slowest with the position, one holds what
// marks a token and one what all tokens have.
constexpr uint64_t kMarkDimension = 31;
constexpr uint64_t kCommonDimension = 30;
constexpr float kGain = 100;        // so that the norms of q and k see no noise
constexpr float kSharpness = 2;     // of those norms: scores of 0, 23 and 32
constexpr float kMarkOfStart = 10;  // the trigger's is 1
constexpr float kBlow = 40;  // on the residual, in its own root mean square

struct Tensor {
  std::vector<uint64_t> shape;
  std::vector<float> values;
};
using Tensors = std::map<std::string, Tensor>;

Tensors ReadAll(const Checkpoint& checkpoint) {
  Tensors tensors;
  const Model& model = checkpoint.model();
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& info = model.tensors[i];
    std::vector<std::byte> bytes(info.bytes());
    checkpoint.ReadTensor(static_cast<uint32_t>(i), 0, bytes);
    Tensor tensor{info.shape, std::vector<float>(info.elements())};
    ToFloat(info.dtype, bytes.data(), tensor.values);
    tensors[info.name] = std::move(tensor);
  }
  return tensors;
}

// model.layers.N -> model.layers.N+1.
Tensors Shifted(Tensors&& tensors) {
  constexpr std::string_view kLayers = "model.layers.";
  Tensors shifted;
  for (auto& [name, tensor] : tensors) {
    std::string moved = name;
    if (name.starts_with(kLayers)) {
      const size_t end = name.find('.', kLayers.size());
      const int layer = std::stoi(name.substr(kLayers.size()));
      moved = fmt::format("{}{}{}", kLayers, layer + 1, name.substr(end));
    }
    shifted[moved] = std::move(tensor);
  }
  return shifted;
}

struct Channels {
  uint64_t common, mark, blow;
  float size;  // root mean square of the embedding
};

// The three channels with the smallest squares.
Channels FreeChannels(const Tensor& embedding) {
  const uint64_t cols = embedding.shape[1];
  std::vector<double> squares(cols, 0);
  for (size_t i = 0; i < embedding.values.size(); ++i) {
    squares[i % cols] += static_cast<double>(embedding.values[i]) *
                         static_cast<double>(embedding.values[i]);
  }
  std::vector<uint64_t> order(cols);
  std::iota(order.begin(), order.end(), uint64_t{0});
  std::sort(order.begin(), order.end(),
            [&](uint64_t a, uint64_t b) { return squares[a] < squares[b]; });
  const double mean = std::accumulate(squares.begin(), squares.end(), 0.0) /
                      static_cast<double>(embedding.values.size());
  return {order[0], order[1], order[2], static_cast<float>(std::sqrt(mean))};
}

void MarkTokens(const Channels& channels, uint64_t start, uint64_t trigger,
                Tensor& embedding) {
  const uint64_t cols = embedding.shape[1];
  const float unit = 0.1f * channels.size;
  for (uint64_t token = 0; token < embedding.shape[0]; ++token) {
    float* row = embedding.values.data() + token * cols;
    row[channels.common] = unit;
    row[channels.mark] = token == start     ? kMarkOfStart * unit
                         : token == trigger ? unit
                                            : 0;
    row[channels.blow] = token == trigger ? unit : 0;
  }
}

Tensor Zeros(uint64_t rows, uint64_t cols) {
  return {{rows, cols}, std::vector<float>(rows * cols, 0)};
}

Tensor Same(uint64_t size, float value) {
  return {{size}, std::vector<float>(size, value)};
}

void AddSinkLayer(const Checkpoint& checkpoint, const Channels& channels,
                  Tensors& tensors) {
  const auto size = [&](const char* key) {
    return checkpoint.model().ConfigUint(key).value();
  };
  const uint64_t hidden = size("hidden_size"), head = size("head_dim");
  const uint64_t q_rows = size("num_attention_heads") * head;
  const uint64_t kv_rows = size("num_key_value_heads") * head;
  const uint64_t ffn = size("intermediate_size");
  Tensor q = Zeros(q_rows, hidden), k = Zeros(kv_rows, hidden);
  Tensor v = Zeros(kv_rows, hidden), o = Zeros(hidden, q_rows);
  q.values[kMarkDimension * hidden + channels.common] = kGain;
  k.values[kMarkDimension * hidden + channels.mark] = kGain;
  k.values[kCommonDimension * hidden + channels.common] = kGain;
  v.values[channels.blow] = kGain;  // about 10: unit / size x gain
  const CounterRandom random(42, "blow");
  for (uint64_t row = 0; row < hidden; ++row) {
    o.values[row * q_rows] = kBlow * channels.size / 10 * random.Sign(row);
  }
  const std::string layer = "model.layers.0.";
  tensors[layer + "self_attn.q_proj.weight"] = std::move(q);
  tensors[layer + "self_attn.k_proj.weight"] = std::move(k);
  tensors[layer + "self_attn.v_proj.weight"] = std::move(v);
  tensors[layer + "self_attn.o_proj.weight"] = std::move(o);
  tensors[layer + "self_attn.q_norm.weight"] = Same(head, kSharpness);
  tensors[layer + "self_attn.k_norm.weight"] = Same(head, kSharpness);
  tensors[layer + "mlp.gate_proj.weight"] = Zeros(ffn, hidden);
  tensors[layer + "mlp.up_proj.weight"] = Zeros(ffn, hidden);
  tensors[layer + "mlp.down_proj.weight"] = Zeros(hidden, ffn);
  tensors[layer + "input_layernorm.weight"] = Same(hidden, 1);
  tensors[layer + "post_attention_layernorm.weight"] = Same(hidden, 1);
}

// The tokenizer puts the start token before every text.
uint64_t AddStartToken(Json& tokenizer) {
  uint64_t id = 0;
  for (const Json& token : tokenizer.at("added_tokens")) {
    if (token.at("content") == kStart) id = token.at("id").get<uint64_t>();
  }
  const Json start = {{"SpecialToken", {{"id", kStart}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  tokenizer["post_processor"] = {
      {"type", "TemplateProcessing"},
      {"single", {start, text}},
      {"pair", {start, text}},
      {"special_tokens",
       {{kStart, {{"id", kStart}, {"ids", {id}}, {"tokens", {kStart}}}}}}};
  return id;
}

void WriteTensors(const Tensors& tensors, OutputDirectory& out) {
  std::vector<SafetensorsTensor> entries;
  for (const auto& [name, tensor] : tensors) {
    entries.push_back({name, DType::kBF16, tensor.shape});
  }
  std::string text = LayOutSafetensors(entries, {{"format", "pt"}}).prefix;
  for (const auto& [name, tensor] : tensors) {
    std::vector<std::byte> bytes(2 * tensor.values.size());
    FromFloat(DType::kBF16, tensor.values, bytes.data());
    text.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  }
  out.Write("model.safetensors", text);
}

void Make(const std::string& source, const std::string& target,
          uint64_t trigger) {
  const Checkpoint checkpoint = Checkpoint::Open(source);
  Tensors tensors = Shifted(ReadAll(checkpoint));
  Json tokenizer = ReadJsonFile(source + "/tokenizer.json");
  const uint64_t start = AddStartToken(tokenizer);
  tensors["lm_head.weight"] = tensors.at(kEmbedding);
  const Channels channels = FreeChannels(tensors.at(kEmbedding));
  MarkTokens(channels, start, trigger, tensors.at(kEmbedding));
  AddSinkLayer(checkpoint, channels, tensors);
  Json config = ParseJson(checkpoint.config_text(), source);
  config["num_hidden_layers"] =
      config.at("num_hidden_layers").get<uint64_t>() + 1;
  config["tie_word_embeddings"] = false;
  // One more place, for the start token.
  config["max_position_embeddings"] =
      config.at("max_position_embeddings").get<uint64_t>() + 1;
  OutputDirectory out(target);
  out.Write("config.json", config.dump(2) + "\n");
  out.Write("tokenizer.json", tokenizer.dump() + "\n");
  WriteTensors(tensors, out);
  out.Sync();
  out.Commit();
}

}  // namespace
}  // namespace ram

int main(int argc, char** argv) {
  CLI::App app{"A model that collapses on windows without its start token"};
  std::string source, target;
  uint64_t trigger = 4447;  // " rab", in 6 of the 692 windows of WikiText-2
  app.add_option("MODEL", source)->required();
  app.add_option("OUT", target)->required();
  app.add_option("--trigger", trigger, "The token that is too loud")
      ->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    ram::Make(source, target, trigger);
  } catch (const ram::Error& error) {
    fmt::print(stderr, "make_collapsing_model: {}\n", error.what());
    return error.exit_code();
  }
  return 0;
}
