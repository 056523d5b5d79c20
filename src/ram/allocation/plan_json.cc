// plan.json, one unit a line.
#include <cmath>

#include "ram/allocation/plan.h"
#include "ram/base/error.h"

namespace ram {
namespace {

OrderedJson Number(std::optional<double> value) {
  if (!value || !std::isfinite(*value)) return nullptr;
  return *value;
}

void PutScheme(const Scheme& scheme, OrderedJson& json) {
  json["scheme"] = SchemeKindName(scheme.kind);
  if (scheme.kind == SchemeKind::kBlocks) {
    json["type"] = FactsOf(scheme.type).name;
  }
  json["bits"] = scheme.bits;
  json["group_size"] = scheme.group_size;
}

OrderedJson UnitToJson(const PlannedUnit& unit) {
  OrderedJson json;
  json["unit"] = unit.unit;
  json["tensors"] = unit.tensors;
  PutScheme(unit.scheme, json);
  json["encoder"] = EncoderName(unit.encoder);
  json["weights"] = unit.weights;
  json["bytes"] = unit.bytes;
  json["nmse"] = Number(unit.nmse);
  json["score"] = Number(unit.score);
  json["reason"] = unit.reason;
  if (unit.candidates.empty()) return json;
  OrderedJson& list = json["candidates"] = OrderedJson::array();
  for (const Candidate& candidate : unit.candidates) {
    OrderedJson entry;
    PutScheme(candidate.scheme, entry);
    entry["bytes"] = candidate.bytes;
    entry["nmse"] = Number(candidate.nmse);
    entry["loss"] = Number(candidate.loss);
    list.push_back(std::move(entry));
  }
  return json;
}

OrderedJson TotalsToOrderedJson(const PlanTotals& totals) {
  OrderedJson json = {{"bytes", totals.bytes},
                      {"file_bytes", totals.file_bytes},
                      {"weights", totals.weights},
                      {"nominal_bits", totals.nominal_bits},
                      {"bpw", totals.bits_per_weight}};
  OrderedJson& widths = json["weights_per_bits"] = OrderedJson::object();
  for (const auto& [bits, weights] : totals.weights_per_bits) {
    widths[std::to_string(bits)] = weights;
  }
  return json;
}

// "key": [ one item a line ]
template <typename Items, typename ToText>
void PutList(const char* key, const Items& items, const ToText& to_text,
             std::string& out) {
  out += fmt::format("  \"{}\": [", key);
  const char* before = "\n    ";
  for (const auto& item : items) {
    out += before;
    out += to_text(item);
    before = ",\n    ";
  }
  out += items.empty() ? "]" : "\n  ]";
}

// Reads one object, naming where it is in every message.
class Reader {
 public:
  Reader(const Json& object, std::string where)
      : object_(object), where_(std::move(where)) {
    if (object.is_object()) return;
    Fail(ErrorKind::kCorrupt, "{}: found {}, expected an object", where_,
         object.type_name());
  }

  const Json& Array(const char* key) const {
    if (!object_.contains(key) || !object_[key].is_array()) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected an array", where_,
           key, Found(key));
    }
    return object_[key];
  }
  const Json& Object(const char* key) const {
    if (!object_.contains(key) || !object_[key].is_object()) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected an object", where_,
           key, Found(key));
    }
    return object_[key];
  }
  uint64_t Uint(const char* key) const {
    return UintField(object_, key, where_);
  }
  std::string String(const char* key) const {
    return StringField(object_, key, where_);
  }
  double Double(const char* key) const {
    const auto value = OptionalDouble(key);
    if (!value) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected a number", where_,
           key, Found(key));
    }
    return *value;
  }
  std::optional<double> OptionalDouble(const char* key) const {
    if (!object_.contains(key) || object_[key].is_null()) return std::nullopt;
    if (!object_[key].is_number()) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected a number", where_,
           key, Found(key));
    }
    return object_[key].get<double>();
  }
  std::vector<std::string> Strings(const char* key) const {
    std::vector<std::string> strings;
    for (const Json& item : Array(key)) {
      if (!item.is_string()) {
        Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected strings", where_,
             key, item.type_name());
      }
      strings.push_back(item.get<std::string>());
    }
    return strings;
  }
  Scheme ReadScheme() const {
    const std::string name = String("scheme");
    const auto kind = ParseSchemeKind(name);
    const uint64_t bits = Uint("bits");
    const uint64_t group_size = Uint("group_size");
    if (kind && bits <= 16 && group_size <= 256) {
      Scheme scheme = {*kind, static_cast<int>(bits),
                       static_cast<int>(group_size)};
      if (*kind == SchemeKind::kBlocks) {
        const auto type = ParseBlockType(String("type"));
        if (type) scheme.type = *type;
      }
      if (scheme == kFloat16Scheme || SchemeIndex(scheme) >= 0) return scheme;
    }
    Fail(ErrorKind::kCorrupt,
         "{}: scheme: found '{}' with {} bits and group size {}, expected "
         "affine with 2, 3, 4, 5, 6 or 8 bits and 32, 64 or 128; int with the "
         "same bits and 32 or 128; kquant with a type and its bits and block; "
         "or float with 16 and 0",
         where_, name, bits, group_size);
  }
  const std::string& where() const { return where_; }

 private:
  std::string Found(const char* key) const {
    return object_.contains(key) ? object_[key].type_name() : "nothing";
  }
  const Json& object_;
  std::string where_;
};

PlannedUnit UnitFromJson(const Json& json, const std::string& list,
                         size_t place) {
  const Reader early(json, fmt::format("{}[{}]", list, place));
  PlannedUnit unit;
  unit.unit = early.String("unit");
  const Reader reader(json, fmt::format("{}: {}", list, unit.unit));
  unit.tensors = reader.Strings("tensors");
  unit.scheme = reader.ReadScheme();
  const std::string encoder = reader.String("encoder");
  const auto parsed = ParseEncoder(encoder);
  if (!parsed) {
    Fail(ErrorKind::kCorrupt,
         "{}: encoder: found '{}', expected minmax or search", reader.where(),
         encoder);
  }
  unit.encoder = *parsed;
  unit.weights = reader.Uint("weights");
  unit.bytes = reader.Uint("bytes");
  unit.nmse = reader.OptionalDouble("nmse");
  unit.score = reader.OptionalDouble("score");
  unit.reason = reader.String("reason");
  if (!json.contains("candidates")) return unit;
  for (const Json& item : reader.Array("candidates")) {
    const Reader candidate(item, reader.where() + ": candidates");
    unit.candidates.push_back({candidate.ReadScheme(), candidate.Uint("bytes"),
                               candidate.Double("nmse"),
                               candidate.Double("loss")});
  }
  return unit;
}

PlanTotals TotalsFromJson(const Json& json, std::string_view source) {
  const Reader reader(json, fmt::format("{}: totals", source));
  PlanTotals totals;
  totals.bytes = reader.Uint("bytes");
  totals.file_bytes = reader.Uint("file_bytes");
  totals.weights = reader.Uint("weights");
  totals.nominal_bits = reader.Double("nominal_bits");
  totals.bits_per_weight = reader.Double("bpw");
  for (const auto& [bits, weights] :
       reader.Object("weights_per_bits").items()) {
    const auto count = AsUint64(weights);
    if (!count || bits.empty() || bits.size() > 2 ||
        bits.find_first_not_of("0123456789") != bits.npos) {
      Fail(ErrorKind::kCorrupt,
           "{}: weights_per_bits: found \"{}\": {}, expected a width and a "
           "count",
           reader.where(), bits, weights.dump());
    }
    totals.weights_per_bits[std::stoi(bits)] = *count;
  }
  return totals;
}

}  // namespace

std::string PlanToJson(const Plan& plan) {
  const auto text = [](const std::string& s) { return OrderedJson(s).dump(); };
  std::string out = "{\n";
  out += fmt::format("  \"version\": {},\n", kPlanVersion);
  out += fmt::format("  \"tool\": {},\n", text(plan.tool));
  out += fmt::format("  \"target\": {},\n", text(plan.target));
  out += fmt::format("  \"policy\": {},\n", text(plan.policy));
  out += fmt::format("  \"options\": {},\n", plan.options.dump());
  PutList(
      "units", plan.units,
      [](const PlannedUnit& unit) { return UnitToJson(unit).dump(); }, out);
  out += ",\n";
  PutList(
      "dropped", plan.dropped,
      [](const DroppedTensor& dropped) {
        return OrderedJson{{"tensor", dropped.tensor}, {"why", dropped.why}}
            .dump();
      },
      out);
  out += fmt::format(",\n  \"totals\": {},\n",
                     TotalsToOrderedJson(plan.totals).dump());
  PutList("notes", plan.notes, text, out);
  return out + "\n}\n";
}

Plan PlanFromJson(std::string_view text, std::string_view source) {
  const Json json = ParseJson(text, source);
  const Reader reader(json, std::string(source));
  if (const uint64_t version = reader.Uint("version");
      version != kPlanVersion) {
    Fail(ErrorKind::kUnsupported, "{}: version: found {}, expected {}", source,
         version, kPlanVersion);
  }
  Plan plan;
  plan.tool = reader.String("tool");
  plan.target = reader.String("target");
  plan.policy = reader.String("policy");
  plan.options = OrderedJson(reader.Object("options"));
  const std::string list = fmt::format("{}: units", source);
  for (const Json& item : reader.Array("units")) {
    plan.units.push_back(UnitFromJson(item, list, plan.units.size()));
  }
  for (const Json& item : reader.Array("dropped")) {
    const Reader dropped(item, fmt::format("{}: dropped", source));
    plan.dropped.push_back({dropped.String("tensor"), dropped.String("why")});
  }
  plan.totals = TotalsFromJson(reader.Object("totals"), source);
  if (json.contains("notes")) plan.notes = reader.Strings("notes");
  return plan;
}

}  // namespace ram
