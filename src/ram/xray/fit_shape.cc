#include "ram/xray/fit_shape.h"

#include <algorithm>
#include <map>
#include <optional>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/attention_window.h"
#include "ram/checkpoint/model_config.h"

namespace ram {
namespace {

class ShapeReader {
 public:
  ShapeReader(const Model& model, std::string_view source)
      : model_(model), source_(source) {
    if (!model.known) return;
    architecture_ = FindArchitecture(model.model_type, model.architecture);
    if (architecture_) config_.emplace(model.config, *architecture_, source);
  }

  FitShape Read() {
    if (architecture_) shape_.family = architecture_->family;
    ReadConfig();
    for (const Matrix& matrix : model_.matrices) {
      if (matrix.section == Section::kText) ReadMatrix(matrix);
    }
    for (auto& [layer, cache] : layers_) {
      ReadLayer(static_cast<uint64_t>(layer), cache);
      shape_.layers.push_back(cache);
    }
    Check();
    return std::move(shape_);
  }

 private:
  std::optional<uint64_t> Find(std::string_view key) const {
    if (config_) return config_->Find(key);
    const Json* value = FindConfig(model_.config, key);
    return value ? AsUint64(*value) : std::nullopt;
  }

  void ReadConfig() {
    shape_.heads = Find("num_attention_heads").value_or(0);
    shape_.longest_context = Find("max_position_embeddings").value_or(0);
    shape_.experts_per_token = Find("num_experts_per_tok").value_or(0);
    shape_.latent = Find("kv_lora_rank").value_or(0) > 0;
    if (shape_.latent) {
      shape_.nope_dim = Find("qk_nope_head_dim").value_or(0);
      shape_.head_dim = shape_.nope_dim + Find("qk_rope_head_dim").value_or(0);
      shape_.value_dim = Find("v_head_dim").value_or(0);
    } else {
      shape_.head_dim = Find("head_dim").value_or(0);
      shape_.value_dim = shape_.head_dim;
    }
    const Json* types = FindConfig(model_.config, "layer_types");
    shape_.config_windows = types && types->is_array() && !types->empty();
  }

  void ReadMatrix(const Matrix& m) {
    const auto widest = [](uint64_t& held, uint64_t now) {
      held = std::max(held, now);
    };
    if (m.role == "embed_tokens") {
      shape_.vocabulary = m.rows;
      shape_.hidden = m.cols;
    }
    if (m.role == "up_proj") {
      widest(m.expert >= 0 ? shape_.expert_feed_forward : shape_.feed_forward,
             m.rows);
    }
    if (m.role == "shared_up_proj") widest(shape_.feed_forward, m.rows);
    if (m.role == "q_proj" || m.role == "q_b_proj") {
      widest(shape_.query, m.rows);
    }
    if (m.layer < 0) return;
    if (m.role == "k_proj" || m.role == "kv_a_proj") {
      layers_[m.layer].keys = m.rows;
    } else if (m.role == "v_proj") {
      layers_[m.layer].values = m.rows;
    } else if (m.role == "qkv_proj") {
      layers_[m.layer].keys = layers_[m.layer].values = m.rows / 3;
      widest(shape_.query, m.rows / 3);
    } else if (m.role == "linear_qkv") {
      layers_[m.layer].convolution = m.rows;
    }
  }

  void ReadLayer(uint64_t layer, LayerCache& cache) const {
    if (config_) {
      cache.window = AttentionWindow(model_.config, *config_, layer);
    }
    if (cache.convolution == 0) return;
    // A gated delta net keeps the inputs of its convolution but for the last,
    // and a matrix per value head (arXiv:2412.06464).
    const uint64_t kernel = Find("linear_conv_kernel_dim").value_or(0);
    cache.convolution *= kernel > 0 ? kernel - 1 : 0;
    cache.state = Find("linear_num_value_heads").value_or(0) *
                  Find("linear_value_head_dim").value_or(0) *
                  Find("linear_key_head_dim").value_or(0);
  }

  void Check() {
    const bool any = std::any_of(
        shape_.layers.begin(), shape_.layers.end(),
        [](const LayerCache& c) { return c.keys > 0 || c.convolution > 0; });
    if (!any || shape_.hidden == 0) {
      Fail(ErrorKind::kUnsupported,
           "{}: found no {}, expected the attention of a language model (what "
           "its cache takes cannot be told)",
           source_, any ? "embedding table" : "key projections");
    }
    if (!config_) {
      shape_.notes.push_back(
          "the architecture is unknown: the cache is taken from the shapes of "
          "the key and value projections, every token kept");
    }
  }

  const Model& model_;
  std::string_view source_;
  const Architecture* architecture_ = nullptr;
  std::optional<ModelConfig> config_;
  std::map<int, LayerCache> layers_;
  FitShape shape_;
};

}  // namespace

FitShape ReadFitShape(const Model& model, std::string_view source) {
  return ShapeReader(model, source).Read();
}

}  // namespace ram
