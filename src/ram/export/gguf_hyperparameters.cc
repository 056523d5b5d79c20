#include "ram/export/gguf_hyperparameters.h"

#include <array>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/model_config.h"
#include "ram/target/gguf_rope.h"

namespace ram {
namespace {

constexpr uint32_t kSigmoid = 2;  // llama.cpp's numbers of gating functions

// What transformers assumes where config.json does not say.
struct Defaults {
  std::string_view family;
  uint64_t positions;
  double norm_epsilon;
};
constexpr std::array<Defaults, 12> kDefaults = {{
    {"Llama", 2048, 1e-6},
    {"Mistral", 131'072, 1e-6},
    {"Mixtral", 131'072, 1e-5},
    {"Qwen2", 32'768, 1e-6},
    {"Qwen3", 32'768, 1e-6},
    {"Qwen3-MoE", 32'768, 1e-6},
    {"GLM-4", 131'072, 1.5625e-7},
    {"GLM-4-MoE", 131'072, 1e-5},
    {"GLM-4-MoE-Lite", 202'752, 1e-5},
    {"DeepSeek-V3", 4096, 1e-6},
    {"Gemma-3", 131'072, 1e-6},
    {"Phi-3", 4096, 1e-5},
}};

class Writer {
 public:
  Writer(const Model& model, const GgufTargetFamily& family,
         std::string_view source)
      : json_(model.config),
        config_(model.config,
                *FindArchitecture(model.model_type, model.architecture),
                source),
        family_(family),
        rope_(ReadGgufRope(model, family, source)) {}

  GgufPairs Write() {
    CheckActivation();
    AddSizes();
    if (latent()) {
      AddLatentAttention();
    } else {
      AddAttention();
    }
    AddRope();
    if (Is("Gemma-3")) AddGemma();
    if (Is("Phi-3")) AddWindow();
    if (config_.experts() > 0) AddExperts();
    return std::move(pairs_);
  }

 private:
  bool Is(std::string_view family) const { return family_.family == family; }
  bool latent() const { return family_.architecture == "deepseek2"; }

  [[noreturn]] void Refuse(std::string_view key, std::string_view found,
                           std::string_view expected) const {
    Fail(ErrorKind::kUnsupported,
         "{}: {}: found {}, expected {} (llama.cpp computes nothing else for "
         "{})",
         config_.file(), key, found, expected, family_.architecture);
  }

  double Number(const char* key, double otherwise) const {
    const Json* const value = FindConfig(json_, key);
    if (!value) return otherwise;
    if (value->is_number() && std::isfinite(value->get<double>())) {
      return value->get<double>();
    }
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected a number",
         config_.file(), key, value->dump().substr(0, 60));
  }
  bool Flag(const char* key, bool otherwise) const {
    return FindConfig(json_, key) ? config_.Flag(key) : otherwise;
  }

  std::string Key(std::string_view key) const {
    return fmt::format("{}.{}", family_.architecture, key);
  }
  void AddUint(std::string_view key, uint64_t value) {
    if (value > UINT32_MAX) {
      Fail(ErrorKind::kUnsupported, "{}: {}: found {}, expected at most {}",
           config_.file(), key, value, UINT32_MAX);
    }
    pairs_.AddU32(Key(key), static_cast<uint32_t>(value));
  }
  void AddNumber(std::string_view key, double value) {
    pairs_.AddF32(Key(key), static_cast<float>(value));
  }

  void CheckActivation() const {
    const bool gemma = Is("Gemma-3");
    const char* const key = gemma ? "hidden_activation" : "hidden_act";
    const Json* const value = FindConfig(json_, key);
    const std::string expected = gemma ? "gelu_pytorch_tanh" : "silu";
    if (value && *value != expected) {
      Refuse(key, value->dump().substr(0, 60), expected);
    }
  }

  const Defaults& Assumed() const {
    for (const Defaults& defaults : kDefaults) {
      if (Is(defaults.family)) return defaults;
    }
    Fail(ErrorKind::kUnsupported, "target gguf: found family {} without sizes",
         family_.family);
  }

  void AddSizes() {
    AddUint("block_count", config_.layers());
    AddUint(
        "context_length",
        config_.Find("max_position_embeddings").value_or(Assumed().positions));
    AddUint("embedding_length", config_.Get("hidden_size"));
    if (const auto wide = config_.Find("intermediate_size")) {
      AddUint("feed_forward_length", *wide);
    }
    AddUint("vocab_size", config_.Get("vocab_size"));
    AddNumber("attention.layer_norm_rms_epsilon",
              Number("rms_norm_eps", Assumed().norm_epsilon));
  }

  void AddAttention() {
    const uint64_t heads = config_.Get("num_attention_heads");
    const uint64_t head_dim = config_.Get("head_dim");
    const uint64_t hidden = config_.Get("hidden_size");
    if ((Is("Qwen2") || Is("Phi-3")) && heads * head_dim != hidden) {
      Refuse("head_dim", fmt::to_string(head_dim),
             fmt::format("hidden_size / num_attention_heads, {} / {}", hidden,
                         heads));
    }
    AddUint("attention.head_count", heads);
    AddUint("attention.head_count_kv", config_.Get("num_key_value_heads"));
    AddUint("attention.key_length", head_dim);
    AddUint("attention.value_length", head_dim);
  }

  // As one head of keys that all queries share; the real widths per head are
  // those called "mla".
  void AddLatentAttention() {
    const uint64_t rank = config_.Get("kv_lora_rank");
    AddUint("attention.head_count", config_.Get("num_attention_heads"));
    AddUint("attention.head_count_kv", 1);
    // llama.cpp wants the key even where there is no such step.
    AddUint("attention.q_lora_rank", config_.Find("q_lora_rank").value_or(0));
    AddUint("attention.kv_lora_rank", rank);
    AddUint("attention.key_length", rank + rope_.dims);
    AddUint("attention.value_length", rank);
    AddUint("attention.key_length_mla",
            config_.Get("qk_nope_head_dim") + rope_.dims);
    AddUint("attention.value_length_mla", config_.Get("v_head_dim"));
  }

  void AddRope() {
    AddUint("rope.dimension_count", rope_.dims);
    AddNumber("rope.freq_base", rope_.theta);
    if (rope_.local_theta) AddNumber("rope.freq_base_swa", *rope_.local_theta);
    if (rope_.type.empty()) return;
    pairs_.AddText(Key("rope.scaling.type"), rope_.type);
    AddNumber("rope.scaling.factor", rope_.factor);
    if (rope_.type != "yarn") return;
    AddUint("rope.scaling.original_context_length", rope_.original_positions);
    AddNumber("rope.scaling.yarn_beta_fast", rope_.beta_fast);
    AddNumber("rope.scaling.yarn_beta_slow", rope_.beta_slow);
    if (rope_.log_multiplier) {
      AddNumber("rope.scaling.yarn_log_multiplier", *rope_.log_multiplier);
    }
  }

  void AddWindow() {
    if (const auto window = config_.Find("sliding_window")) {
      AddUint("attention.sliding_window", *window);
    }
  }

  // Whether a layer of Gemma-3 looks back over a window only.
  bool HasWindow(uint64_t layer) const {
    const Json* const types = FindConfig(json_, "layer_types");
    if (types && types->is_array() && layer < types->size()) {
      return (*types)[layer] == "sliding_attention";
    }
    const auto every = config_.Find("sliding_window_pattern").value_or(6);
    return every != 0 && (layer + 1) % every != 0;
  }

  void AddGemma() {
    constexpr uint64_t kLargest = 62;  // layers of the 27B model
    const uint64_t heads = config_.Get("num_attention_heads");
    const double dims = static_cast<double>(
        config_.layers() == kLargest ? config_.Get("hidden_size") / heads
                                     : config_.Get("head_dim"));
    const double scalar = Number("query_pre_attn_scalar", 256);
    if (scalar != dims) {
      Refuse("query_pre_attn_scalar", fmt::to_string(scalar),
             fmt::to_string(dims));
    }
    if (Number("attn_logit_softcapping", 0) != 0) {
      Refuse("attn_logit_softcapping",
             fmt::to_string(Number("attn_logit_softcapping", 0)), "none");
    }
    const double cap = Number("final_logit_softcapping", 0);
    if (cap != 0) AddNumber("final_logit_softcapping", cap);
    AddUint("attention.sliding_window",
            config_.Find("sliding_window").value_or(4096));
    // Without the key every sixth layer is without a window.
    constexpr uint64_t kUsual = 6;
    std::vector<bool> windows;
    bool usual = true;
    for (uint64_t i = 0; i < config_.layers(); ++i) {
      windows.push_back(HasWindow(i));
      usual = usual && windows.back() == ((i + 1) % kUsual != 0);
    }
    if (!usual) {
      pairs_.AddBools(Key("attention.sliding_window_pattern"), windows);
    }
  }

  // How many layers come before those with experts; llama.cpp knows no other
  // order.
  uint64_t LeadingDenseLayers() const {
    uint64_t dense = 0;
    while (dense < config_.layers() && (config_.Traits(dense) & kMoe) == 0) {
      ++dense;
    }
    for (uint64_t i = dense; i < config_.layers(); ++i) {
      if ((config_.Traits(i) & kMoe) != 0) continue;
      Refuse(fmt::format("layer {}", i), "no experts",
             "experts in every layer behind the first that has them");
    }
    return dense;
  }

  void AddExperts() {
    AddUint("expert_count", config_.experts());
    AddUint("expert_used_count", config_.Get("num_experts_per_tok"));
    const uint64_t dense = LeadingDenseLayers();
    const bool normalized =
        Is("Mixtral") || Flag("norm_topk_prob", !Is("Qwen3-MoE"));
    if (Is("Mixtral")) return;
    AddUint("expert_feed_forward_length", config_.Get("moe_intermediate_size"));
    if (Is("Qwen3-MoE")) {
      if (!normalized) Refuse("norm_topk_prob", "false", "true");
      if (dense > 0) Refuse("layer 0", "no experts", "experts in every layer");
      return;
    }
    AddUint("expert_shared_count",
            config_.Find("n_shared_experts").value_or(0));
    AddUint("leading_dense_block_count", dense);
    AddUint("expert_gating_func", kSigmoid);
    AddNumber("expert_weights_scale", Number("routed_scaling_factor", 1));
    pairs_.AddBool(Key("expert_weights_norm"), normalized);
    const uint64_t groups = config_.Find("n_group").value_or(1);
    const uint64_t kept = config_.Find("topk_group").value_or(groups);
    // All groups are as good as none.
    if (groups > 1 && kept < groups) {
      AddUint("expert_group_count", groups);
      AddUint("expert_group_used_count", kept);
    }
  }

  const Json& json_;
  const ModelConfig config_;
  const GgufTargetFamily& family_;
  const GgufRope rope_;
  GgufPairs pairs_;
};

}  // namespace

GgufPairs GgufHyperparameters(const Model& model,
                              const GgufTargetFamily& family,
                              std::string_view source) {
  return Writer(model, family, source).Write();
}

std::optional<std::string> GgufWindowNote(const Model& model,
                                          const GgufTargetFamily& family) {
  if (family.family == "Gemma-3") return std::nullopt;
  const auto window = model.ConfigUint("sliding_window");
  if (!window || *window == 0) return std::nullopt;
  const Json* const used = FindConfig(model.config, "use_sliding_window");
  const bool always = family.family == "Mistral" ||
                      family.family == "Mixtral" || family.family == "Phi-3";
  if (!always && !(used && *used == true)) return std::nullopt;
  return fmt::format(
      "the model's attention looks back over {} positions at most, llama.cpp's "
      "{} over all: they differ on longer texts",
      *window, family.architecture);
}

}  // namespace ram
