#include "ram/target/quantization_config.h"

#include <map>

namespace ram {
namespace {

Json SchemeToJson(const Scheme& scheme) {
  return {{"group_size", scheme.group_size},
          {"bits", scheme.bits},
          {"mode", "affine"}};
}

const char* TorchName(DType dtype) {
  return dtype == DType::kF16 ? "float16" : "bfloat16";
}

// Says whether it found a dtype.
bool SetDType(Json& object, const char* name) {
  bool found = false;
  for (const char* key : {"torch_dtype", "dtype"}) {
    if (!object.contains(key) || !object[key].is_string()) continue;
    object[key] = name;
    found = true;
  }
  return found;
}

}  // namespace

Json QuantizationConfig(const TargetLayout& layout,
                        std::span<const Scheme> schemes) {
  std::map<Scheme, uint64_t> counts;
  for (const Scheme& scheme : schemes) {
    if (scheme.kind == SchemeKind::kAffine) ++counts[scheme];
  }
  if (counts.empty()) return nullptr;
  auto most = counts.begin();
  for (auto it = counts.begin(); it != counts.end(); ++it) {
    if (it->second > most->second) most = it;
  }
  Json config = SchemeToJson(most->first);
  for (size_t i = 0; i < schemes.size(); ++i) {
    if (schemes[i] == most->first) continue;
    config[layout.units[i].name] = schemes[i].kind == SchemeKind::kAffine
                                       ? SchemeToJson(schemes[i])
                                       : Json(false);
  }
  return config;
}

Json BaseConfig(const Model& model) {
  Json config = model.config.is_object() ? model.config : Json::object();
  const bool nested =
      config.contains("text_config") && config["text_config"].is_object();
  const char* dtype = TorchName(KeptDType(model.main_dtype()));
  bool typed = SetDType(config, dtype);
  if (nested) typed = SetDType(config["text_config"], dtype) || typed;
  if (!typed) config["torch_dtype"] = dtype;
  for (const char* key : {"quantization", "quantization_config"}) {
    config.erase(key);
    if (nested) config["text_config"].erase(key);
  }
  return config;
}

}  // namespace ram
