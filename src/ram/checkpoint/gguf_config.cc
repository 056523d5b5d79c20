#include "ram/checkpoint/gguf_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <optional>
#include <string>

#include "ram/base/error.h"
#include "ram/checkpoint/gguf_rope.h"

namespace ram {
namespace {

constexpr std::array<GgufFamily, 12> kFamilies = {{
    {.architecture = "llama",
     .model_type = "llama",
     .class_name = "LlamaForCausalLM",
     .paired_heads = true},
    {"qwen2", "qwen2", "Qwen2ForCausalLM"},
    {"qwen3", "qwen3", "Qwen3ForCausalLM"},
    {"qwen3moe", "qwen3_moe", "Qwen3MoeForCausalLM"},
    {"glm4", "glm4", "Glm4ForCausalLM"},
    {"glm4moe", "glm4_moe", "Glm4MoeForCausalLM"},
    {"phi3", "phi3", "Phi3ForCausalLM"},
    {.architecture = "gemma3",
     .model_type = "gemma3_text",
     .class_name = "Gemma3ForCausalLM",
     .norms_plus_one = true},
    // Variants of the above by more than their architecture.
    {.architecture = "",
     .model_type = "mixtral",
     .class_name = "MixtralForCausalLM",
     .paired_heads = true},
    {"", "deepseek_v3", "DeepseekV3ForCausalLM"},
    {"", "glm4_moe_lite", "Glm4MoeLiteForCausalLM"},
    {"", "deepseek_v2", ""},
}};

GgufFamily FamilyNamed(std::string_view model_type) {
  return *std::find_if(
      kFamilies.begin(), kFamilies.end(),
      [&](const GgufFamily& f) { return f.model_type == model_type; });
}

bool HasTensor(const GgufHeader& header, std::string_view name) {
  return std::any_of(header.tensors.begin(), header.tensors.end(),
                     [&](const GgufTensor& t) { return t.name == name; });
}

class ConfigBuilder {
 public:
  ConfigBuilder(const GgufFamily& family, const GgufHeader& header,
                const GgufTable& table)
      : family_(family),
        header_(header),
        metadata_(header.metadata),
        table_(table) {}

  Json Build() {
    config_["model_type"] = family_.model_type;
    config_["torch_dtype"] = "bfloat16";
    if (!family_.class_name.empty()) {
      config_["architectures"] = Json::array({family_.class_name});
    }
    Sizes();
    Tokens();
    Rotary();
    if (Is("deepseek_v3") || Is("glm4_moe_lite")) Latent();
    if (Is("gemma3_text")) Gemma();
    if (Is("llama") || Is("glm4") || Is("glm4_moe") || Is("qwen3") ||
        Is("qwen3_moe") || Is("gemma3_text")) {
      config_["attention_bias"] = InAnyLayer("attn_q.bias");
    }
    if (Is("llama")) config_["mlp_bias"] = InAnyLayer("ffn_up.bias");
    if (Is("glm4_moe")) {
      config_["use_qk_norm"] = InAnyLayer("attn_q_norm.weight");
    }
    Experts();
    // As it reads from a file: whole numbers are unsigned.
    return ParseJson(config_.dump(), metadata_.source());
  }

 private:
  bool Is(std::string_view model_type) const {
    return family_.model_type == model_type;
  }
  bool known() const { return !family_.class_name.empty(); }

  std::string Key(std::string_view key) const {
    return fmt::format("{}.{}", family_.architecture, key);
  }

  // A number that config.json has once for all layers.
  std::optional<uint64_t> Find(std::string_view key) const {
    const std::string name = Key(key);
    const GgufValue* const value = metadata_.Find(name);
    if (!value || value->type != GgufValueType::kArray) {
      return metadata_.Uint(name);
    }
    const std::vector<uint64_t> numbers = *metadata_.Uints(name);
    if (numbers.empty()) return std::nullopt;
    if (std::any_of(numbers.begin(), numbers.end(),
                    [&](uint64_t n) { return n != numbers[0]; })) {
      if (!known()) return std::nullopt;
      Fail(ErrorKind::kUnsupported,
           "{}: {}: found numbers that differ between layers, expected one "
           "for all",
           metadata_.source(), name);
    }
    return numbers[0];
  }

  uint64_t Get(std::string_view key) const {
    const auto value = Find(key);
    if (!value) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found nothing, expected a whole number", metadata_.source(),
           Key(key));
    }
    return *value;
  }

  // config[name] = metadata[key], which a known family needs.
  void Copy(const char* name, std::string_view key) {
    if (known()) {
      config_[name] = Get(key);
    } else {
      CopyOptional(name, key);
    }
  }
  void CopyOptional(const char* name, std::string_view key) {
    if (const auto value = Find(key)) config_[name] = *value;
  }
  void CopyNumber(const char* name, std::string_view key) {
    if (const auto value = metadata_.Number(Key(key))) config_[name] = *value;
  }

  bool InAnyLayer(std::string_view path) const {
    return std::any_of(header_.tensors.begin(), header_.tensors.end(),
                       [&](const GgufTensor& t) {
                         return t.name.starts_with("blk.") &&
                                t.name.ends_with(fmt::format(".{}", path));
                       });
  }

  uint64_t Heads() const { return Get("attention.head_count"); }

  void Sizes() {
    Copy("hidden_size", "embedding_length");
    Copy("num_hidden_layers", "block_count");
    Copy("num_attention_heads", "attention.head_count");
    config_["num_key_value_heads"] =
        Find("attention.head_count_kv")
            .value_or(Find("attention.head_count").value_or(0));
    CopyOptional("intermediate_size", "feed_forward_length");
    CopyOptional("max_position_embeddings", "context_length");
    CopyNumber("rms_norm_eps", "attention.layer_norm_rms_epsilon");
    for (const GgufTensor& tensor : header_.tensors) {
      if (tensor.name == "token_embd.weight") {
        config_["vocab_size"] = tensor.shape[0];
      }
    }
    config_["tie_word_embeddings"] = !HasTensor(header_, "output.weight");
    if (known() && !Is("deepseek_v3") && !Is("glm4_moe_lite")) {
      config_["head_dim"] = HeadDim();
    }
    const uint64_t extra = Find("nextn_predict_layers").value_or(0);
    if (Is("glm4_moe") || Is("deepseek_v3") || Is("glm4_moe_lite")) {
      SplitLayers(extra);
    }
  }

  // block_count counts the layers for multi-token prediction, too.
  void SplitLayers(uint64_t extra) {
    const uint64_t layers = Get("block_count");
    if (extra >= layers) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {}, expected fewer than the {} "
           "layers of {}",
           metadata_.source(), Key("nextn_predict_layers"), extra, layers,
           Key("block_count"));
    }
    config_["num_hidden_layers"] = layers - extra;
    config_["num_nextn_predict_layers"] = extra;
  }

  uint64_t HeadDim() const {
    if (const auto length = Find("attention.key_length")) return *length;
    const uint64_t heads = Heads();
    if (heads == 0) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found 0, expected heads",
           metadata_.source(), Key("attention.head_count"));
    }
    return Get("embedding_length") / heads;
  }

  void Tokens() {
    const auto copy = [&](const char* name, const char* key) {
      if (const auto id = metadata_.Uint(key)) config_[name] = *id;
    };
    copy("bos_token_id", "tokenizer.ggml.bos_token_id");
    copy("eos_token_id", "tokenizer.ggml.eos_token_id");
    copy("pad_token_id", "tokenizer.ggml.padding_token_id");
  }

  void Rotary() {
    const double theta =
        metadata_.Number(Key("rope.freq_base")).value_or(10'000);
    config_["rope_theta"] = theta;
    const auto dims = Find("rope.dimension_count");
    if (dims && (Is("glm4") || Is("glm4_moe") || Is("phi3"))) {
      config_["partial_rotary_factor"] =
          static_cast<double>(*dims) / static_cast<double>(HeadDim());
    }
    Json scaling =
        GgufRopeScaling(family_, metadata_, theta,
                        dims.value_or(known() ? HeadDim() : 0), table_);
    if (!scaling.is_null()) config_["rope_scaling"] = std::move(scaling);
    if (Is("phi3")) {
      CopyOptional("original_max_position_embeddings",
                   "rope.scaling.original_context_length");
      CopyOptional("sliding_window", "attention.sliding_window");
    }
  }

  // Multi-head latent attention. llama.cpp gives the widths per head under
  // key_length_mla and value_length_mla; older files have no such keys and
  // mean the same by key_length and value_length.
  void Latent() {
    const uint64_t rope = Get("rope.dimension_count");
    const uint64_t key =
        Find("attention.key_length_mla")
            .value_or(Find("attention.key_length").value_or(0));
    const uint64_t value =
        Find("attention.value_length_mla")
            .value_or(Find("attention.value_length").value_or(0));
    if (key <= rope) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {}, expected more than the {} "
           "of {}",
           metadata_.source(), Key("attention.key_length_mla"), key, rope,
           Key("rope.dimension_count"));
    }
    config_["qk_rope_head_dim"] = rope;
    config_["qk_nope_head_dim"] = key - rope;
    config_["v_head_dim"] = value;
    Copy("kv_lora_rank", "attention.kv_lora_rank");
    config_["q_lora_rank"] = nullptr;
    CopyOptional("q_lora_rank", "attention.q_lora_rank");
    config_["num_key_value_heads"] = Heads();
    config_["attention_bias"] = false;
  }

  // Gemma-3's code fixes what its metadata does not say.
  void Gemma() {
    constexpr uint64_t kLargest = 62;  // layers of the 27B model
    const uint64_t layers = Get("block_count");
    config_["query_pre_attn_scalar"] =
        layers == kLargest ? Get("embedding_length") / Heads() : HeadDim();
    config_["hidden_activation"] = "gelu_pytorch_tanh";
    config_["rope_local_base_freq"] =
        metadata_.Number(Key("rope.freq_base_swa")).value_or(10'000);
    Copy("sliding_window", "attention.sliding_window");
    Windows(layers);
    CopyNumber("final_logit_softcapping", "final_logit_softcapping");
    CopyNumber("attn_logit_softcapping", "attn_logit_softcapping");
  }

  // Which layers have a window: as the file says, else all but each sixth.
  void Windows(uint64_t layers) {
    const std::string key = Key("attention.sliding_window_pattern");
    const GgufValue* const value = metadata_.Find(key);
    if (!value || value->element_type != GgufValueType::kBool) {
      constexpr uint64_t kPattern = 6;
      const bool number = value && value->type != GgufValueType::kArray;
      config_["sliding_window_pattern"] =
          number ? *metadata_.Uint(key) : kPattern;
      return;
    }
    const std::vector<bool> windows = *metadata_.Bools(key);
    if (windows.size() < layers) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {} layers, expected {}",
           metadata_.source(), key, windows.size(), layers);
    }
    Json& types = config_["layer_types"] = Json::array();
    for (uint64_t i = 0; i < layers; ++i) {
      types.push_back(windows[i] ? "sliding_attention" : "full_attention");
    }
  }

  void Experts() {
    const uint64_t experts = Find("expert_count").value_or(0);
    if (experts == 0) return;
    if (Is("mixtral")) {
      config_["num_local_experts"] = experts;
    } else if (Is("qwen3_moe")) {
      config_["num_experts"] = experts;
      config_["norm_topk_prob"] = true;  // what llama.cpp does
      config_["decoder_sparse_step"] = 1;
      config_["mlp_only_layers"] = Json::array();
    } else {
      config_["n_routed_experts"] = experts;
      RoutedExperts();
    }
    Copy("num_experts_per_tok", "expert_used_count");
    CopyOptional("moe_intermediate_size", "expert_feed_forward_length");
  }

  // The kind of DeepSeek-V3 and GLM-4.5.
  void RoutedExperts() {
    config_["n_shared_experts"] = Find("expert_shared_count").value_or(0);
    config_["first_k_dense_replace"] =
        Find("leading_dense_block_count").value_or(0);
    config_["norm_topk_prob"] =
        metadata_.Bool(Key("expert_weights_norm")).value_or(false);
    config_["routed_scaling_factor"] =
        metadata_.Number(Key("expert_weights_scale")).value_or(1.0);
    config_["n_group"] = Find("expert_group_count").value_or(1);
    config_["topk_group"] = Find("expert_group_used_count").value_or(1);
    config_["moe_layer_freq"] = 1;
    config_["scoring_func"] = "sigmoid";
    config_["topk_method"] = "noaux_tc";
  }

  const GgufFamily& family_;
  const GgufHeader& header_;
  const GgufMetadata& metadata_;
  const GgufTable& table_;
  Json config_ = Json::object();
};

}  // namespace

GgufFamily GgufFamilyOf(const GgufHeader& header) {
  const GgufMetadata& metadata = header.metadata;
  const auto name = metadata.Text("general.architecture");
  if (!name || name->empty()) {
    Fail(ErrorKind::kCorrupt,
         "{}: general.architecture: found nothing, expected the name of one",
         metadata.source());
  }
  if (!std::all_of(name->begin(), name->end(),
                   [](char c) { return c > ' ' && c <= '~'; })) {
    Fail(ErrorKind::kCorrupt,
         "{}: general.architecture: found a name that is not plain ASCII",
         metadata.source());
  }
  GgufFamily family{*name, *name, {}};
  const auto uint = [&](std::string_view key) {
    return metadata.Uint(fmt::format("{}.{}", *name, key)).value_or(0);
  };
  if (*name == "llama" && uint("expert_count") > 0) {
    family = FamilyNamed("mixtral");
  } else if (*name == "deepseek2") {
    constexpr uint64_t kSigmoid = 2;  // llama.cpp's numbers of gating functions
    const auto pre = metadata.Text("tokenizer.ggml.pre").value_or("");
    const bool sigmoid = uint("expert_gating_func") == kSigmoid;
    family =
        FamilyNamed(!sigmoid                                ? "deepseek_v2"
                    : pre == "glm4" || pre == "chatglm-bpe" ? "glm4_moe_lite"
                                                            : "deepseek_v3");
  } else {
    for (const GgufFamily& known : kFamilies) {
      if (known.architecture == *name) family = known;
    }
  }
  family.architecture = *name;
  return family;
}

Json GgufConfig(const GgufFamily& family, const GgufHeader& header,
                const GgufTable& table) {
  return ConfigBuilder(family, header, table).Build();
}

}  // namespace ram
