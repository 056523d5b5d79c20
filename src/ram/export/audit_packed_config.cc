#include <fmt/format.h>

#include <map>
#include <set>

#include "ram/export/output_audit.h"
#include "ram/target/vllm_target.h"

namespace ram {
namespace {

constexpr char kNothing[] = "not quantized";

// What compressed-tensors makes of a group's weights.
std::string WeightsText(const Json& group) {
  const Json weights =
      group.is_object() ? group.value("weights", Json()) : Json();
  const auto text = [&](const char* key) {
    return weights.is_object() ? weights.value(key, Json()).dump() : "null";
  };
  return fmt::format("num_bits {}, type {}, symmetric {}, {} of {}",
                     text("num_bits"), text("type"), text("symmetric"),
                     text("strategy"), text("group_size"));
}

std::string SchemeText(const Scheme& scheme) {
  if (scheme.kind != SchemeKind::kInt) return kNothing;
  return fmt::format(
      "num_bits {}, type \"int\", symmetric true, \"group\" of {}", scheme.bits,
      scheme.group_size);
}

// What config.json gives each target, in words.
std::map<std::string, std::string> TargetTexts(const Json& groups) {
  std::map<std::string, std::string> texts;
  if (!groups.is_object()) return texts;
  for (const auto& [name, group] : groups.items()) {
    const Json targets =
        group.is_object() ? group.value("targets", Json()) : Json();
    if (!targets.is_array()) continue;
    for (const Json& target : targets) {
      if (!target.is_string()) continue;
      texts[target.get<std::string>()] = WeightsText(group);
    }
  }
  return texts;
}

}  // namespace

// Every module's scheme, by its own name or its experts' pattern, and nothing
// else: what other targets would match is no question then.
void OutputAudit::CheckPackedConfig(const Json& config) {
  const Json quantization = config.value("quantization_config", Json());
  const bool some = quantization.is_object();
  const auto texts =
      TargetTexts(some ? quantization.value("config_groups", Json()) : Json());
  const auto format =
      some ? quantization.value("format", Json()) : Json("pack-quantized");
  if (format != "pack-quantized") {
    Add(kConfigName, "quantization_config.format", format.dump(),
        "\"pack-quantized\"");
  }
  std::set<std::string> known;
  const auto check = [&](const std::string& target, const Scheme& scheme) {
    known.insert(target);
    const auto found = texts.find(target);
    const std::string text = found == texts.end() ? kNothing : found->second;
    if (text != SchemeText(scheme)) {
      Add(kConfigName, target, text,
          fmt::format("{}, as planned", SchemeText(scheme)));
    }
  };
  for (const PlannedUnit& unit : plan_->units) {
    const auto recorded = recorded_units_.find(unit.unit);
    if (recorded == recorded_units_.end()) continue;  // reported already
    if (unit.unit.ends_with(".experts")) {
      check(ExpertsPattern(unit.unit), unit.scheme);
      continue;
    }
    const auto& modules = recorded->second->modules;
    if (modules.empty()) check(unit.unit, unit.scheme);
    for (const auto& module : modules) check(module.name, unit.scheme);
  }
  for (const auto& [target, text] : texts) {
    if (!known.contains(target)) {
      Add(kConfigName, target, "a target that names no module", "none");
    }
  }
}

}  // namespace ram
