#include "ram/target/vllm_target.h"

#include <fmt/format.h>

#include <map>

#include "ram/target/quantization_config.h"
#include "ram/target/safetensors_files.h"
#include "ram/target/vllm_units.h"

namespace ram {
namespace {

using Kind = StoredTensor::Kind;

ModuleTensors PackedTensors(const Unit& unit, uint64_t cols,
                            const Scheme& scheme) {
  ModuleTensors tensors;
  if (scheme.kind == SchemeKind::kFloat) {
    tensors.Add({".weight", Kind::kWeight, unit.kept_dtype, cols});
    return tensors;
  }
  tensors.Add({".weight_packed", Kind::kCodes, DType::kI32,
               cols * static_cast<uint64_t>(scheme.bits) / 32});
  tensors.Add({".weight_scale", Kind::kScales, unit.kept_dtype,
               cols / static_cast<uint64_t>(scheme.group_size)});
  tensors.Add({".weight_shape", Kind::kShape, DType::kI64, 2});
  return tensors;
}

constexpr SafetensorsStyle kStyle = {"pt", PackedTensors};

void AddNames(const Unit& unit, OrderedJson& names) {
  if (HoldsExperts(unit)) {
    names.push_back(ExpertsPattern(unit.name));
    return;
  }
  for (uint32_t m = 0; m < unit.module_count(); ++m) {
    names.push_back(unit.module_name(m));
  }
}

OrderedJson GroupJson(const Scheme& scheme, OrderedJson targets) {
  return {{"targets", std::move(targets)},
          {"weights",
           {{"num_bits", scheme.bits},
            {"type", "int"},
            {"symmetric", true},
            {"strategy", "group"},
            {"group_size", scheme.group_size},
            {"dynamic", false}}},
          {"input_activations", nullptr},
          {"output_activations", nullptr},
          {"format", "pack-quantized"}};
}

// Null when all units are left at 16 bits.
OrderedJson PackedConfig(const TargetLayout& layout,
                         std::span<const Scheme> schemes) {
  std::map<Scheme, OrderedJson> targets;
  OrderedJson ignore = OrderedJson::array();
  bool head = false;
  for (size_t u = 0; u < schemes.size(); ++u) {
    const Unit& unit = layout.units[u];
    if (schemes[u].kind == SchemeKind::kInt) {
      AddNames(
          unit,
          targets.try_emplace(schemes[u], OrderedJson::array()).first->second);
    } else if (unit.role != "embed_tokens") {
      AddNames(unit, ignore);
      head = head || unit.role == "lm_head";
    }
  }
  if (targets.empty()) return nullptr;
  for (const PlainTensor& plain : layout.plain) {
    if (plain.shape.size() == 2 && plain.name.ends_with(".weight")) {
      ignore.push_back(plain.name.substr(0, plain.name.size() - 7));
    }
  }
  // vLLM makes a head of its own of a tied embedding.
  if (!head) ignore.push_back("lm_head");
  OrderedJson groups = OrderedJson::object();
  for (auto& [scheme, names] : targets) {
    groups[fmt::format("group_{}", groups.size())] =
        GroupJson(scheme, std::move(names));
  }
  return {{"quant_method", "compressed-tensors"},
          {"format", "pack-quantized"},
          {"quantization_status", "compressed"},
          {"config_groups", std::move(groups)},
          {"ignore", std::move(ignore)},
          {"kv_cache_scheme", nullptr},
          {"global_compression_ratio", nullptr}};
}

}  // namespace

// transformers finds the experts' scheme by such a target only.
std::string ExpertsPattern(std::string_view unit) {
  std::string pattern = "re:";
  for (const char c : unit) {
    if (c == '.') {
      pattern += "[.]";
    } else {
      pattern += c;
    }
  }
  return pattern + "[.].*";
}

std::span<const Scheme> VllmTarget::Schemes() const {
  static const auto all = [](bool portable) {
    std::vector<Scheme> schemes;
    for (const int bits : kAffineBits) {
      if (portable && bits != 4 && bits != 8) continue;
      for (auto group = kIntGroups.rbegin(); group != kIntGroups.rend();
           ++group) {
        schemes.push_back(SignedInt(bits, *group));
      }
    }
    return schemes;
  };
  static const std::vector<Scheme> portable = all(true);
  static const std::vector<Scheme> any = all(false);
  return portable_ ? portable : any;
}

std::optional<Scheme> VllmTarget::SchemeOf(
    int bits, std::optional<int> group_size) const {
  const Scheme wanted = SignedInt(bits, group_size.value_or(128));
  for (const Scheme& scheme : Schemes()) {
    if (scheme == wanted) return scheme;
  }
  return std::nullopt;
}

Scheme VllmTarget::Closest(const Unit& unit, const Scheme& wanted) const {
  for (const Scheme& scheme : unit.legal) {  // descending group size
    if (scheme.bits == wanted.bits && scheme.group_size <= wanted.group_size) {
      return scheme;
    }
  }
  return kFloat16Scheme;
}

TargetLayout VllmTarget::Describe(const Model& model) const {
  return DescribeForVllm(model, Schemes());
}

std::vector<OutputFileLayout> VllmTarget::LayOutFiles(
    const TargetLayout& layout, std::span<const Scheme> schemes) const {
  return LayOutSafetensorsFiles(kStyle, layout, schemes);
}

uint64_t VllmTarget::FileBytes(const TargetLayout& layout,
                               std::span<const Scheme> schemes) const {
  return SafetensorsFileBytes(kStyle, layout, schemes);
}

std::string VllmTarget::ConfigText(const Model& model,
                                   const TargetLayout& layout,
                                   std::span<const Scheme> schemes) const {
  OrderedJson config = BaseConfig(model);
  OrderedJson packed = PackedConfig(layout, schemes);
  if (!packed.is_null()) config["quantization_config"] = std::move(packed);
  return config.dump(2) + "\n";
}

std::vector<std::string> VllmTarget::Notes(
    const TargetLayout& layout, std::span<const Scheme> schemes) const {
  std::vector<std::string> notes;
  std::map<Scheme, uint64_t> experts;
  for (size_t u = 0; u < schemes.size(); ++u) {
    if (HoldsExperts(layout.units[u])) ++experts[schemes[u]];
  }
  if (experts.size() > 1) {
    notes.push_back(
        "experts of different layers have different precisions: vLLM reads "
        "each layer's own, transformers 5.23 decodes all by one of them and "
        "gets others wrong without a word (--set '*.experts=BITS' gives them "
        "one)");
  }
  return notes;
}

}  // namespace ram
