#include "ram/evaluation/transformer_config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string_view>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/attention_window.h"
#include "ram/checkpoint/model_config.h"

namespace ram {
namespace {

constexpr std::array<std::string_view, 12> kFamilies = {
    "Llama",     "Mistral",        "Qwen2",   "Qwen3",
    "Phi-3",     "Qwen3-MoE",      "Mixtral", "GLM-4",
    "GLM-4-MoE", "GLM-4-MoE-Lite", "Gemma-3", "DeepSeek-V3"};

// config.json as one family's own code reads it.
class ConfigReader {
 public:
  ConfigReader(const Model& model, const Architecture& architecture,
               const std::string& source)
      : json_(model.config),
        read_(model.config, architecture, source),
        family_(architecture.family) {}

  TransformerConfig Read() {
    ReadDimensions();
    ReadNorms();
    ReadScales();
    ReadRotaries();
    ReadLayers();
    if (read_.experts() > 0) ReadRouter();
    return std::move(config_);
  }

 private:
  bool Is(std::string_view family) const { return family_ == family; }
  bool latent() const { return config_.latent.rank > 0; }

  double Number(const char* key, double otherwise) const {
    const Json* value = FindConfig(json_, key);
    if (!value) return otherwise;
    if (value->is_number() && std::isfinite(value->get<double>())) {
      return value->get<double>();
    }
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected a number",
         read_.file(), key, value->dump().substr(0, 60));
  }

  bool Flag(const char* key, bool otherwise) const {
    return FindConfig(json_, key) ? read_.Flag(key) : otherwise;
  }

  void Expect(bool holds, std::string_view what, uint64_t found,
              std::string_view expected) const {
    if (holds) return;
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected {}", read_.file(),
         what, found, expected);
  }

  void ReadDimensions() {
    config_.family = family_;
    config_.vocabulary = read_.Get("vocab_size");
    config_.hidden = read_.Get("hidden_size");
    config_.heads = read_.Get("num_attention_heads");
    Expect(config_.heads > 0, "num_attention_heads", 0, "one or more");
    if (Is("DeepSeek-V3") || Is("GLM-4-MoE-Lite")) {
      config_.latent.rank = read_.Get("kv_lora_rank");
      config_.latent.query_rank = read_.Find("q_lora_rank").value_or(0);
      config_.latent.nope_dim = read_.Get("qk_nope_head_dim");
      config_.latent.rope_dim = read_.Get("qk_rope_head_dim");
      config_.value_dim = read_.Get("v_head_dim");
      Expect(latent(), "kv_lora_rank", 0, "one or more");
      return;
    }
    config_.kv_heads = read_.Get("num_key_value_heads");
    config_.head_dim = read_.Get("head_dim");
    config_.value_dim = config_.head_dim;
    Expect(config_.kv_heads > 0 && config_.heads % config_.kv_heads == 0,
           "num_key_value_heads", config_.kv_heads,
           fmt::format("a divisor of num_attention_heads, {}", config_.heads));
    config_.qk_norm = Is("Qwen3") || Is("Qwen3-MoE") || Is("Gemma-3") ||
                      (Is("GLM-4-MoE") && read_.Flag("use_qk_norm"));
  }

  void ReadNorms() {
    double epsilon = 1e-6;
    if (Is("GLM-4")) epsilon = 1.5625e-7;
    if (Is("Mixtral") || Is("GLM-4-MoE") || Is("GLM-4-MoE-Lite") ||
        Is("Phi-3")) {
      epsilon = 1e-5;
    }
    config_.norm_epsilon = static_cast<float>(Number("rms_norm_eps", epsilon));
    if (Is("GLM-4")) {
      config_.norms.attention_out = "post_self_attn_layernorm.weight";
      config_.norms.feed_forward_out = "post_mlp_layernorm.weight";
    } else if (Is("Gemma-3")) {
      config_.norm_offset = 1;
      config_.norms.attention_out = "post_attention_layernorm.weight";
      config_.norms.feed_forward_in = "pre_feedforward_layernorm.weight";
      config_.norms.feed_forward_out = "post_feedforward_layernorm.weight";
    }
  }

  void ReadScales() {
    double dims = static_cast<double>(config_.head_dim);
    if (latent()) {
      dims = static_cast<double>(config_.latent.nope_dim +
                                 config_.latent.rope_dim);
    }
    if (Is("Gemma-3")) {
      dims = Number("query_pre_attn_scalar", 256);
      config_.embedding_scale = std::sqrt(static_cast<float>(config_.hidden));
      config_.logit_softcap =
          static_cast<float>(Number("final_logit_softcapping", 0));
    }
    config_.attention_scale = static_cast<float>(1 / std::sqrt(dims));
    const bool gemma = Is("Gemma-3");
    const char* key = gemma ? "hidden_activation" : "hidden_act";
    const Json* value = FindConfig(json_, key);
    const std::string name = value && value->is_string()
                                 ? value->get<std::string>()
                                 : (gemma ? "gelu_pytorch_tanh" : "silu");
    if (name != "silu" && name != "gelu_pytorch_tanh") {
      Fail(ErrorKind::kUnsupported,
           "{}: {}: found '{}', expected silu or gelu_pytorch_tanh (the model "
           "can be analysed, but not evaluated)",
           read_.file(), key, name);
    }
    config_.activation =
        name == "silu" ? Activation::kSilu : Activation::kGeluTanh;
  }

  // rope_parameters may have an object for each type of layer.
  const Json* RopeParameters(const char* layer_type) const {
    for (const char* key : {"rope_parameters", "rope_scaling"}) {
      const Json* object = FindConfig(json_, key);
      if (!object || !object->is_object()) continue;
      const auto inner = object->find(layer_type);
      if (inner != object->end() && inner->is_object()) return &*inner;
      if (object->contains("full_attention")) return nullptr;
      return object;
    }
    return nullptr;
  }

  static double NumberIn(const Json* object, const char* key,
                         double otherwise) {
    if (!object) return otherwise;
    const auto found = object->find(key);
    return found != object->end() && found->is_number() ? found->get<double>()
                                                        : otherwise;
  }

  Rotary ReadRotary(const Json* parameters, double theta) const {
    RotarySource source;
    source.parameters = parameters;
    source.theta = NumberIn(parameters, "rope_theta", theta);
    source.max_positions = Number("max_position_embeddings", 0);
    source.file = read_.file();
    source.interleaved =
        Is("GLM-4") || (latent() && Flag("rope_interleave", true));
    const bool half = Is("GLM-4") || Is("GLM-4-MoE");
    const double share =
        NumberIn(parameters, "partial_rotary_factor",
                 Number("partial_rotary_factor", half ? 0.5 : 1.0));
    const uint64_t dims = latent() ? config_.latent.rope_dim : config_.head_dim;
    source.dims =
        latent() ? dims
                 : static_cast<uint64_t>(static_cast<double>(dims) * share);
    if (source.theta <= 1 || share <= 0 || share > 1 || source.dims % 2 != 0) {
      Fail(ErrorKind::kCorrupt,
           "{}: rope_theta {}, partial_rotary_factor {}: found {} rotated of "
           "{} dimensions, expected an even number up to all",
           read_.file(), source.theta, share, source.dims, dims);
    }
    return MakeRotary(source);
  }

  void ReadRotaries() {
    const Json* full = RopeParameters("full_attention");
    double theta = 10'000;
    if (Is("Mixtral") || Is("Gemma-3")) theta = 1'000'000;
    config_.rotaries.push_back(ReadRotary(full, Number("rope_theta", theta)));
    if (latent()) config_.attention_scale *= YarnAttentionFactor(full);
    if (!Is("Gemma-3")) return;
    // The layers with a window turn faster, and are never stretched.
    const Json* local = RopeParameters("sliding_attention");
    if (local == full) local = nullptr;
    config_.rotaries.push_back(
        ReadRotary(local, Number("rope_local_base_freq", 10'000)));
  }

  void ReadLayers() {
    for (uint64_t i = 0; i < read_.layers(); ++i) {
      LayerConfig layer;
      layer.mixture = (read_.Traits(i) & kMoe) != 0;
      layer.window = AttentionWindow(json_, read_, i);
      if (layer.window > 0) layer.rotary = config_.rotaries.size() - 1;
      config_.layers.push_back(layer);
    }
  }

  void ReadRouter() {
    RouterConfig& router = config_.router;
    router.experts = read_.experts();
    router.per_token = read_.Get("num_experts_per_tok");
    router.normalize =
        Is("Mixtral") || Flag("norm_topk_prob", !Is("Qwen3-MoE"));
    if (!Is("Mixtral") && !Is("Qwen3-MoE")) {
      router.sigmoid = true;
      router.groups = read_.Find("n_group").value_or(1);
      router.kept_groups = read_.Find("topk_group").value_or(router.groups);
      router.scale = static_cast<float>(Number("routed_scaling_factor", 1));
    }
    Expect(router.per_token > 0 && router.per_token <= router.experts,
           "num_experts_per_tok", router.per_token, "1 to all experts");
    Expect(router.groups > 0 && router.experts % router.groups == 0, "n_group",
           router.groups, "a divisor of the number of experts");
    Expect(router.kept_groups > 0 && router.kept_groups <= router.groups &&
               router.kept_groups * (router.experts / router.groups) >=
                   router.per_token,
           "topk_group", router.kept_groups,
           "groups that hold num_experts_per_tok experts");
  }

  const Json& json_;
  ModelConfig read_;
  std::string_view family_;
  TransformerConfig config_;
};

}  // namespace

TransformerConfig ReadTransformerConfig(const Model& model,
                                        const std::string& source) {
  const Architecture* architecture =
      model.known ? FindArchitecture(model.model_type, model.architecture)
                  : nullptr;
  if (!architecture || std::find(kFamilies.begin(), kFamilies.end(),
                                 architecture->family) == kFamilies.end()) {
    Fail(ErrorKind::kUnsupported,
         "{}: architecture: found {} (model_type '{}'), expected one that can "
         "be evaluated: {} (this model can be analysed and compressed, but not "
         "evaluated)",
         source, model.architecture, model.model_type,
         fmt::join(kFamilies, ", "));
  }
  return ConfigReader(model, *architecture, source).Read();
}

}  // namespace ram
