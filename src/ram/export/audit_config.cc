#include "ram/base/error.h"
#include "ram/export/output_audit.h"

namespace ram {
namespace {

constexpr char kIndexName[] = "model.safetensors.index.json";

// What a runtime makes of an entry: 16-bit without one.
struct ConfiguredScheme {
  bool quantized = false;
  uint64_t bits = 16;
  uint64_t group_size = 0;
  std::string mode = "affine";

  bool operator==(const ConfiguredScheme&) const = default;
};

ConfiguredScheme ParseEntry(const Json& entry) {
  return {true, UintField(entry, "bits", kConfigName),
          UintField(entry, "group_size", kConfigName),
          OptionalString(entry, "mode", kConfigName).value_or("affine")};
}

std::string Text(const ConfiguredScheme& scheme) {
  if (!scheme.quantized) return "not quantized";
  return fmt::format("{} bits, group size {}, {}", scheme.bits,
                     scheme.group_size, scheme.mode);
}

ConfiguredScheme FromPlan(const Scheme& scheme) {
  if (scheme.kind == SchemeKind::kFloat) return {};
  return {true, static_cast<uint64_t>(scheme.bits),
          static_cast<uint64_t>(scheme.group_size), "affine"};
}

}  // namespace

std::optional<Json> OutputAudit::ReadStoredJson(const std::string& name) {
  for (const auto& stored : files_) {
    if (stored->expected->name != name) continue;
    try {
      Json json = ReadJsonFile((directory_ / name).string());
      if (json.is_object()) return json;
      Add(name, "", json.dump().substr(0, 80), "an object");
    } catch (const Error& error) {
      Add(name, "", error.what(), "valid JSON");
    }
  }
  return std::nullopt;
}

// As mlx-lm applies it: a listed path wins; an unlisted module is quantised,
// with the global setting, exactly when it has scales.
void OutputAudit::CheckConfigEntries(const Json& quantization) {
  for (const PlannedUnit& unit : plan_->units) {
    ConfiguredScheme configured;
    const auto listed = quantization.find(unit.unit);
    const bool has_scales = found_.contains(unit.unit + ".scales");
    try {
      if (listed != quantization.end() && listed->is_object()) {
        configured = ParseEntry(*listed);
      } else if (listed != quantization.end() ? *listed == Json(true)
                                              : has_scales) {
        configured = ParseEntry(quantization);
      }
    } catch (const Error& error) {
      Add(kConfigName, unit.unit, error.what(), Text(FromPlan(unit.scheme)));
      continue;
    }
    if (configured != FromPlan(unit.scheme)) {
      Add(kConfigName, unit.unit, Text(configured),
          fmt::format("{}, as planned", Text(FromPlan(unit.scheme))));
    }
  }
  for (const auto& [path, entry] : quantization.items()) {
    const bool unit = planned_.contains(path);
    if (!unit && (entry.is_object() || entry == Json(true))) {
      Add(kConfigName, path, "a quantization entry that names no unit", "none");
    }
  }
}

void OutputAudit::CheckConfig() {
  if (record_.target == "gguf") return;  // all is in the weight files
  const auto config = ReadStoredJson(kConfigName);
  if (!config) return;
  if (record_.target.starts_with("vllm")) return CheckPackedConfig(*config);
  const Json quantization = config->value("quantization", Json());
  const Json copy = config->value("quantization_config", Json());
  if (record_.target == "mlx" && quantization != copy) {
    Add(kConfigName, "quantization_config", copy.dump().substr(0, 80),
        "the same object as quantization");
  }
  if (quantization.is_object()) {
    CheckConfigEntries(quantization);
  } else if (record_.target == "mlx") {
    CheckConfigEntries(Json::object());
  }
}

void OutputAudit::CheckIndex() {
  if (record_.target == "gguf") return;
  const auto index = ReadStoredJson(kIndexName);
  if (!index) return;
  const Json map = index->value("weight_map", Json());
  const Json metadata = index->value("metadata", Json());
  uint64_t bytes = 0;
  for (const auto& [name, stored] : found_) {
    const auto mapped = map.find(name);
    const std::string& file = stored->expected->name;
    if (mapped == map.end() || *mapped != Json(file)) {
      Add(kIndexName, std::string(name),
          mapped == map.end() ? "no entry" : mapped->dump(), file);
    }
  }
  for (const auto& stored : files_) {
    for (const auto& entry : stored->entries) bytes += entry.bytes();
  }
  const Json total =
      metadata.is_object() ? metadata.value("total_size", Json()) : Json();
  if (total != Json(bytes)) {
    Add(kIndexName, "metadata.total_size", total.dump(), fmt::to_string(bytes));
  }
  if (!map.is_object()) return;
  for (const auto& [name, file] : map.items()) {
    if (!found_.contains(name)) {
      Add(kIndexName, name, file.dump(), "no entry: no file has this tensor");
    }
  }
}

}  // namespace ram
