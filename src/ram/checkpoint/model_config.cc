#include "ram/checkpoint/model_config.h"

#include <algorithm>
#include <charconv>

#include "ram/base/checked.h"
#include "ram/base/error.h"

namespace ram {
namespace {

const Json* Lookup(const Json& object, std::string_view key) {
  const size_t dot = key.find('.');
  if (!object.is_object()) return nullptr;
  const auto found = object.find(std::string(key.substr(0, dot)));
  if (found == object.end() || found->is_null()) return nullptr;
  return dot == key.npos ? &*found : Lookup(*found, key.substr(dot + 1));
}

std::string_view Trim(std::string_view text) {
  const size_t first = text.find_first_not_of(' ');
  if (first == text.npos) return {};
  return text.substr(first, text.find_last_not_of(' ') - first + 1);
}

// Calls body(piece) for the pieces of `text` between `separator`s.
template <typename Body>
void ForEachPiece(std::string_view text, char separator, const Body& body) {
  while (true) {
    const size_t end = text.find(separator);
    body(Trim(text.substr(0, end)));
    if (end == text.npos) return;
    text.remove_prefix(end + 1);
  }
}

std::optional<uint64_t> AsNumber(std::string_view text) {
  uint64_t value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc() || stop != end) return std::nullopt;
  return value;
}

bool ListHolds(const Json* list, uint64_t wanted) {
  if (!list || !list->is_array()) return false;
  return std::any_of(list->begin(), list->end(), [&](const Json& entry) {
    return AsUint64(entry) == wanted;
  });
}

// list[index] as text; empty when there is no such entry.
std::string TextAt(const Json* list, uint64_t index) {
  if (!list || !list->is_array() || index >= list->size()) return {};
  const Json& entry = (*list)[index];
  return entry.is_string() ? entry.get<std::string>() : std::string();
}

}  // namespace

const Json* FindConfig(const Json& config, std::string_view key) {
  if (const Json* text = Lookup(config, "text_config")) {
    if (const Json* value = Lookup(*text, key)) return value;
  }
  return Lookup(config, key);
}

std::string TextOf(const Json& object, const char* key) {
  if (!object.is_object()) return {};
  const auto found = object.find(key);
  const bool text = found != object.end() && found->is_string();
  return text ? found->get<std::string>() : std::string();
}

std::optional<bool> TiedByConfig(const Json& config) {
  // The outer object rules where a model has a text model inside.
  if (!config.is_object()) return std::nullopt;
  auto found = config.find("tie_word_embeddings");
  if (found != config.end() && found->is_boolean()) return found->get<bool>();
  const Json* inner = FindConfig(config, "tie_word_embeddings");
  if (inner && inner->is_boolean()) return inner->get<bool>();
  return std::nullopt;
}

ModelConfig::ModelConfig(const Json& config, const Architecture& architecture,
                         std::string_view source)
    : config_(config),
      architecture_(architecture),
      file_(fmt::format("{}/config.json", source)) {
  layers_ = Get("num_hidden_layers");
  if (layers_ == 0 || layers_ > kMaxLayers) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected 1 to {}", file_,
         NameOf("num_hidden_layers"), layers_, kMaxLayers);
  }
  if (!architecture_.mtp_key.empty()) {
    mtp_layers_ = Find(architecture_.mtp_key).value_or(0);
    if (mtp_layers_ > kMaxLayers) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected 0 to {}", file_,
           architecture_.mtp_key, mtp_layers_, kMaxLayers);
    }
  }
  if (!architecture_.experts_key.empty()) {
    experts_ = Get(architecture_.experts_key);
    if (experts_ == 0 || experts_ > kMaxExperts) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {} experts, expected 1 to {} in a mixture of experts",
           file_, NameOf(architecture_.experts_key),
           experts_ == 0 ? "zero" : std::to_string(experts_), kMaxExperts);
    }
  }
}

std::string_view ModelConfig::NameOf(std::string_view key) const {
  for (const ConfigAlias& alias : architecture_.aliases) {
    if (alias.key == key) return alias.name;
  }
  return key;
}

const Json* ModelConfig::Value(std::string_view key) const {
  const Json* value = FindConfig(config_, NameOf(key));
  // What newer versions of transformers call it in every family.
  if (!value && !key.empty() && key == architecture_.experts_key) {
    value = FindConfig(config_, "num_local_experts");
  }
  return value;
}

std::optional<uint64_t> ModelConfig::Find(std::string_view key) const {
  if (const Json* value = Value(key)) {
    const auto number = AsUint64(*value);
    if (!number) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {}, expected a whole number, zero or more", file_,
           NameOf(key), value->dump().substr(0, 60));
    }
    return number;
  }
  for (const ConfigDefault& assumed : architecture_.defaults) {
    if (assumed.key == key) return assumed.value;
  }
  if (key == "num_key_value_heads") return Find("num_attention_heads");
  if (key == "head_dim") {
    const auto hidden = Find("hidden_size");
    const auto heads = Find("num_attention_heads");
    if (hidden && heads && *heads > 0) return *hidden / *heads;
  }
  if (key == "intermediate_size" && architecture_.family == "GPT-2") {
    if (const auto hidden = Find("hidden_size")) return CheckedMul(*hidden, 4);
  }
  return std::nullopt;
}

uint64_t ModelConfig::Get(std::string_view key) const {
  const auto value = Find(key);
  if (!value) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found nothing, expected a whole number, zero or more", file_,
         NameOf(key));
  }
  return *value;
}

bool ModelConfig::Flag(std::string_view key) const {
  const Json* value = Value(key);
  if (value && value->is_boolean()) return value->get<bool>();
  if (value) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected true or false", file_,
         NameOf(key), value->dump().substr(0, 60));
  }
  return Find(key).value_or(0) != 0;
}

uint64_t ModelConfig::Evaluate(std::string_view formula) const {
  std::optional<uint64_t> sum = 0;
  ForEachPiece(formula, '+', [&](std::string_view term) {
    std::optional<uint64_t> product = 1;
    ForEachPiece(term, '*', [&](std::string_view factor) {
      const auto number = AsNumber(factor);
      const uint64_t value = number ? *number : Get(factor);
      if (product) product = CheckedMul(*product, value);
    });
    sum = sum && product ? CheckedAdd(*sum, *product) : std::nullopt;
  });
  if (!sum) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found more than 64 bits can hold, expected a dimension",
         file_, Spell(formula));
  }
  return *sum;
}

std::vector<uint64_t> ModelConfig::Shape(const TensorPattern& pattern) const {
  std::vector<uint64_t> shape;
  shape.reserve(pattern.shape.size());
  for (std::string_view formula : pattern.shape) {
    shape.push_back(Evaluate(formula));
  }
  return shape;
}

std::string ModelConfig::Spell(std::string_view formula) const {
  std::string text;
  ForEachPiece(formula, '+', [&](std::string_view term) {
    if (!text.empty()) text += " + ";
    bool first = true;
    ForEachPiece(term, '*', [&](std::string_view factor) {
      if (!first) text += " * ";
      first = false;
      text += NameOf(factor);
    });
  });
  return text;
}

bool ModelConfig::IsMoe(uint64_t layer) const {
  if (experts_ == 0) return false;
  const std::string kind = TextAt(Value("mlp_layer_types"), layer);
  if (!kind.empty()) return kind == "sparse";
  if (ListHolds(Value("mlp_only_layers"), layer)) return false;
  if (layer < Find("first_k_dense_replace").value_or(0)) return false;
  const uint64_t step = Find("decoder_sparse_step").value_or(1);
  const uint64_t every = Find("moe_layer_freq").value_or(1);
  if (step == 0 || every == 0) return false;
  return (layer + 1) % step == 0 && layer % every == 0;
}

bool ModelConfig::IsLinear(uint64_t layer) const {
  const std::string kind = TextAt(Value("layer_types"), layer);
  if (!kind.empty()) return kind == "linear_attention";
  const auto interval = Find("full_attention_interval");
  return interval && *interval != 0 && (layer + 1) % *interval != 0;
}

uint32_t ModelConfig::Traits(uint64_t layer) const {
  const bool mtp = layer >= layers_;
  uint32_t traits = mtp ? kMtpLayer : kAnyLayer;
  traits |= (mtp ? experts_ > 0 : IsMoe(layer)) ? kMoe : kDense;
  traits |= !mtp && IsLinear(layer) ? kLinearAttention : kFullAttention;
  traits |= Find("q_lora_rank").value_or(0) > 0 ? kQueryLora : kNoQueryLora;
  if (Flag("attention_bias")) traits |= kAttentionBias;
  if (Flag("mlp_bias")) traits |= kMlpBias;
  if (Flag("use_qk_norm")) traits |= kQkNorm;
  if (Find("n_shared_experts").value_or(0) > 0) traits |= kSharedExpert;
  return traits;
}

}  // namespace ram
