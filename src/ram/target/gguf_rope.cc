#include "ram/target/gguf_rope.h"

#include <cmath>
#include <numbers>

#include "ram/base/error.h"
#include "ram/checkpoint/architecture.h"
#include "ram/checkpoint/model_config.h"

namespace ram {
namespace {

class Reader {
 public:
  Reader(const Model& model, const GgufTargetFamily& family,
         std::string_view source)
      : json_(model.config),
        config_(model.config,
                *FindArchitecture(model.model_type, model.architecture),
                source),
        family_(family) {}

  GgufRope Read() {
    const Json* const full = Parameters("full_attention");
    const bool large = Is("Mixtral") || Is("Gemma-3");
    rope_.theta = NumberIn(full, "rope_theta",
                           Number("rope_theta", large ? 1'000'000 : 10'000));
    if (rope_.theta <= 1) {
      Fail(ErrorKind::kCorrupt,
           "{}: rope_theta: found {}, expected more than 1", config_.file(),
           rope_.theta);
    }
    if (Is("Gemma-3")) ReadLocal(full);
    ReadDims(full);
    ReadScaling(full);
    return std::move(rope_);
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

  double Checked(const Json& value, const char* key) const {
    if (value.is_number() && std::isfinite(value.get<double>())) {
      return value.get<double>();
    }
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected a number",
         config_.file(), key, value.dump().substr(0, 60));
  }
  double Number(const char* key, double otherwise) const {
    const Json* const value = FindConfig(json_, key);
    return value ? Checked(*value, key) : otherwise;
  }
  const Json* Find(const Json* object, const char* key) const {
    if (!object) return nullptr;
    const auto found = object->find(key);
    return found == object->end() || found->is_null() ? nullptr : &*found;
  }
  double NumberIn(const Json* object, const char* key, double otherwise) const {
    const Json* const value = Find(object, key);
    return value ? Checked(*value, key) : otherwise;
  }
  double Positive(const Json* object, const char* key) const {
    const double number = NumberIn(object, key, 0);
    if (number > 0) return number;
    Fail(ErrorKind::kCorrupt,
         "{}: rope_scaling.{}: found {}, expected a number above zero",
         config_.file(), key, number);
  }

  // rope_parameters may have an object for each type of layer.
  const Json* Parameters(const char* layer_type) const {
    for (const char* key : {"rope_parameters", "rope_scaling"}) {
      const Json* const object = FindConfig(json_, key);
      if (!object || !object->is_object()) continue;
      const auto inner = object->find(layer_type);
      if (inner != object->end() && inner->is_object()) return &*inner;
      if (object->contains("full_attention")) return nullptr;
      return object;
    }
    return nullptr;
  }

  std::string TypeOf(const Json* parameters) const {
    for (const char* key : {"rope_type", "type"}) {
      const Json* const value = Find(parameters, key);
      if (value && value->is_string()) return value->get<std::string>();
    }
    return "default";
  }

  void ReadLocal(const Json* full) {
    const Json* local = Parameters("sliding_attention");
    if (local == full) local = nullptr;
    if (TypeOf(local) != "default") {
      Refuse("rope_parameters.sliding_attention", TypeOf(local), "default");
    }
    rope_.local_theta =
        NumberIn(local, "rope_theta", Number("rope_local_base_freq", 10'000));
  }

  void ReadDims(const Json* full) {
    if (latent()) {
      rope_.dims = config_.Get("qk_rope_head_dim");
      const Json* const interleave = FindConfig(json_, "rope_interleave");
      if (interleave && *interleave == false) {
        Refuse("rope_interleave", "false", "true");
      }
      return;
    }
    const bool half = Is("GLM-4") || Is("GLM-4-MoE");
    const bool partial = half || Is("Phi-3");
    const double share =
        NumberIn(full, "partial_rotary_factor",
                 Number("partial_rotary_factor", half ? 0.5 : 1.0));
    if (!partial && share != 1) {
      Refuse("partial_rotary_factor", fmt::to_string(share), "1");
    }
    const uint64_t head_dim = config_.Get("head_dim");
    rope_.dims = static_cast<uint64_t>(static_cast<double>(head_dim) * share);
    if (!(share > 0 && share <= 1) || rope_.dims % 2 != 0) {
      Fail(ErrorKind::kCorrupt,
           "{}: partial_rotary_factor {}: found {} rotated of {} dimensions, "
           "expected an even number up to all",
           config_.file(), share, rope_.dims, head_dim);
    }
  }

  double OriginalPositions(const Json* parameters) const {
    const char* const key = "original_max_position_embeddings";
    const double positions = Number("max_position_embeddings", 0);
    if (!Find(parameters, key) && positions > 0) return positions;
    return Positive(parameters, key);
  }

  void ReadScaling(const Json* parameters) {
    const std::string type = TypeOf(parameters);
    if (type == "default") return;
    if (type == "linear") {
      rope_.type = type;
      rope_.factor = Positive(parameters, "factor");
    } else if (type == "yarn") {
      ReadYarn(parameters);
    } else if (type == "llama3" && family_.architecture == "llama") {
      ReadLlama3(parameters);
    } else {
      Refuse("rope_scaling", "type '" + type.substr(0, 40) + "'",
             family_.architecture == "llama" ? "default, linear, llama3 or yarn"
                                             : "default, linear or yarn");
    }
  }

  void ReadYarn(const Json* parameters) {
    rope_.type = "yarn";
    const double positions = OriginalPositions(parameters);
    rope_.original_positions = static_cast<uint64_t>(positions);
    rope_.factor = Find(parameters, "factor")
                       ? Positive(parameters, "factor")
                       : Number("max_position_embeddings", 0) / positions;
    rope_.beta_fast = NumberIn(parameters, "beta_fast", 32);
    rope_.beta_slow = NumberIn(parameters, "beta_slow", 1);
    const Json* const truncate = Find(parameters, "truncate");
    if (truncate && *truncate == false) Refuse("truncate", "false", "true");
    const double usual = 0.1 * std::log(rope_.factor) + 1;
    const double given = NumberIn(parameters, "attention_factor", usual);
    if (std::abs(given - usual) > 1e-6 * usual) {
      Refuse("attention_factor", fmt::to_string(given), fmt::to_string(usual));
    }
    const double some = NumberIn(parameters, "mscale", 0);
    const double all = NumberIn(parameters, "mscale_all_dim", 0);
    if (!latent()) {
      if (some != 0 && all != 0) {
        Refuse("mscale_all_dim", fmt::to_string(all), "none");
      }
      return;
    }
    // llama.cpp has one number for both.
    if (some == 0 || some != all) {
      Refuse("mscale", fmt::to_string(some),
             fmt::format("mscale_all_dim, {}, above zero", all));
    }
    rope_.log_multiplier = 0.1 * all;
  }

  // transformers: _compute_llama3_parameters.
  void ReadLlama3(const Json* parameters) {
    const double factor = Positive(parameters, "factor");
    const double low = Positive(parameters, "low_freq_factor");
    const double high = Positive(parameters, "high_freq_factor");
    const double positions = OriginalPositions(parameters);
    if (low >= high) {
      Fail(ErrorKind::kCorrupt,
           "{}: rope_scaling: found low_freq_factor {} and high_freq_factor "
           "{}, expected the low one below the high one",
           config_.file(), low, high);
    }
    for (uint64_t i = 0; i < rope_.dims / 2; ++i) {
      const double exponent =
          2 * static_cast<double>(i) / static_cast<double>(rope_.dims);
      const double wavelength =
          2 * std::numbers::pi * std::pow(rope_.theta, exponent);
      double divisor = factor;
      if (wavelength < positions / high) {
        divisor = 1;
      } else if (wavelength <= positions / low) {
        const double smooth = (positions / wavelength - low) / (high - low);
        divisor = 1 / ((1 - smooth) / factor + smooth);
      }
      rope_.factors.push_back(static_cast<float>(divisor));
    }
  }

  const Json& json_;
  const ModelConfig config_;
  const GgufTargetFamily& family_;
  GgufRope rope_;
};

}  // namespace

GgufRope ReadGgufRope(const Model& model, const GgufTargetFamily& family,
                      std::string_view source) {
  return Reader(model, family, source).Read();
}

}  // namespace ram
