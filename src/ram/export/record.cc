#include "ram/export/record.h"

#include <charconv>

#include "ram/base/error.h"
#include "ram/base/file.h"

namespace ram {
namespace {

OrderedJson FileToJson(const ExportedFile& file) {
  return {{"name", file.name},
          {"bytes", file.bytes},
          {"sha256", file.sha256.empty() ? OrderedJson(nullptr)
                                         : OrderedJson(file.sha256)}};
}

std::string HashText(uint64_t hash) { return fmt::format("{:016x}", hash); }

OrderedJson UnitToJson(const Record::UnitError& unit) {
  OrderedJson json = {{"unit", unit.unit},
                      {"dtype", DTypeName(unit.dtype)},
                      {"shape", unit.shape},
                      {"nmse", unit.nmse}};
  if (unit.nonfinite != 0) json["nonfinite"] = unit.nonfinite;
  OrderedJson& hashes = json["xxh3"] = OrderedJson::array();
  for (uint64_t hash : unit.xxh3) hashes.push_back(HashText(hash));
  for (const Record::UnitError::Module& module : unit.modules) {
    json["modules"].push_back(
        OrderedJson({{"name", module.name}, {"shape", module.shape}}));
  }
  return json;
}

OrderedJson PlainToJson(const Record::PlainRecord& plain) {
  return {{"name", plain.name},
          {"dtype", DTypeName(plain.dtype)},
          {"shape", plain.shape},
          {"xxh3", HashText(plain.xxh3)}};
}

// "KEY": [ one item a line ]
template <typename Item, typename ToJson>
void AppendArray(std::string& text, const char* key,
                 const std::vector<Item>& items, const ToJson& to_json) {
  text += fmt::format(" \"{}\": [", key);
  for (size_t i = 0; i < items.size(); ++i) {
    text += i == 0 ? "\n  " : ",\n  ";
    text += to_json(items[i]).dump();
  }
  text += items.empty() ? "],\n" : "\n ],\n";
}

[[noreturn]] void FailField(std::string_view source, std::string_view field,
                            const Json& found, std::string_view expected) {
  Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected {}", source, field,
       found.dump().substr(0, 80), expected);
}

const Json& ArrayField(const Json& object, const char* key,
                       std::string_view source) {
  const auto field = object.find(key);
  if (field == object.end() || !field->is_array()) {
    FailField(source, key, field == object.end() ? Json() : *field, "an array");
  }
  return *field;
}

DType DTypeField(const Json& object, std::string_view source) {
  const auto dtype = ParseDType(StringField(object, "dtype", source));
  if (!dtype) FailField(source, "dtype", object["dtype"], "a known type");
  return *dtype;
}

std::vector<uint64_t> ShapeField(const Json& object, std::string_view source) {
  std::vector<uint64_t> shape;
  for (const Json& item : ArrayField(object, "shape", source)) {
    const auto size = AsUint64(item);
    if (!size) FailField(source, "shape", item, "a whole number");
    shape.push_back(*size);
  }
  return shape;
}

uint64_t ParseHash(const Json& value, std::string_view source) {
  uint64_t hash = 0;
  const std::string text = value.is_string() ? value.get<std::string>() : "";
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, hash, 16);
  if (text.size() != 16 || result.ptr != end) {
    FailField(source, "xxh3", value, "16 hexadecimal digits");
  }
  return hash;
}

std::vector<ExportedFile> FilesField(const Json& object, const char* key,
                                     std::string_view source) {
  std::vector<ExportedFile> files;
  for (const Json& item : ArrayField(object, key, source)) {
    files.push_back({StringField(item, "name", source),
                     UintField(item, "bytes", source),
                     OptionalString(item, "sha256", source).value_or("")});
  }
  return files;
}

std::vector<Record::UnitError> UnitsField(const Json& object,
                                          std::string_view source) {
  std::vector<Record::UnitError> units;
  for (const Json& item : ArrayField(object, "units", source)) {
    Record::UnitError unit;
    unit.unit = StringField(item, "unit", source);
    unit.dtype = DTypeField(item, source);
    unit.shape = ShapeField(item, source);
    const auto nmse = item.find("nmse");
    if (nmse == item.end() || !nmse->is_number()) {
      FailField(source, unit.unit + ": nmse",
                nmse == item.end() ? Json() : *nmse, "a number");
    }
    unit.nmse = nmse->get<double>();
    unit.nonfinite = OptionalUint(item, "nonfinite", source).value_or(0);
    for (const Json& hash : ArrayField(item, "xxh3", source)) {
      unit.xxh3.push_back(ParseHash(hash, source));
    }
    if (item.contains("modules")) {
      for (const Json& module : ArrayField(item, "modules", source)) {
        unit.modules.push_back(
            {StringField(module, "name", source), ShapeField(module, source)});
      }
    }
    units.push_back(std::move(unit));
  }
  return units;
}

std::vector<Record::PlainRecord> PlainField(const Json& object,
                                            std::string_view source) {
  std::vector<Record::PlainRecord> tensors;
  for (const Json& item : ArrayField(object, "plain", source)) {
    tensors.push_back({StringField(item, "name", source),
                       DTypeField(item, source), ShapeField(item, source),
                       ParseHash(item.value("xxh3", Json()), source)});
  }
  return tensors;
}

}  // namespace

std::string RecordToJson(const Record& record) {
  const auto quoted = [](const std::string& text) {
    return OrderedJson(text).dump();
  };
  std::string text = fmt::format(
      "{{\n \"version\": {},\n \"tool\": {},\n \"target\": {},\n"
      " \"architecture\": {},\n \"manifest_sha256\": {},\n"
      " \"plan_sha256\": {},\n \"options\": {},\n",
      kRecordVersion, quoted(record.tool), quoted(record.target),
      quoted(record.architecture),
      record.manifest_sha256.empty() ? "null" : quoted(record.manifest_sha256),
      quoted(record.plan_sha256), record.options.dump());
  AppendArray(text, "inputs", record.inputs, FileToJson);
  AppendArray(text, "outputs", record.outputs, FileToJson);
  AppendArray(text, "units", record.units, UnitToJson);
  AppendArray(text, "plain", record.plain, PlainToJson);
  text += fmt::format(" \"audit\": {}\n}}\n", record.audit.dump());
  return text;
}

Record RecordFromJson(std::string_view text, std::string_view source) {
  const Json json = ParseJson(text, source);
  const uint64_t version = UintField(json, "version", source);
  if (version != kRecordVersion) {
    Fail(ErrorKind::kUnsupported, "{}: version: found {}, expected {}", source,
         version, kRecordVersion);
  }
  Record record;
  record.tool = StringField(json, "tool", source);
  record.target = StringField(json, "target", source);
  record.architecture = StringField(json, "architecture", source);
  record.manifest_sha256 =
      OptionalString(json, "manifest_sha256", source).value_or("");
  record.plan_sha256 = StringField(json, "plan_sha256", source);
  record.inputs = FilesField(json, "inputs", source);
  record.outputs = FilesField(json, "outputs", source);
  for (const ExportedFile& file : record.outputs) {
    if (std::filesystem::path(file.name).filename() == file.name &&
        file.name != "." && file.name != "..") {
      continue;
    }
    FailField(source, "outputs: name", file.name, "a plain file name");
  }
  record.units = UnitsField(json, source);
  record.plain = PlainField(json, source);
  // The same text again, for the order of the keys.
  const OrderedJson ordered = OrderedJson::parse(text);
  record.options = ordered.value("options", OrderedJson());
  record.audit = ordered.value("audit", OrderedJson());
  return record;
}

Record ReadRecord(const std::filesystem::path& directory) {
  const std::filesystem::path path = directory / kRecordName;
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(path, ignored)) {
    Fail(ErrorKind::kCorrupt,
         "{}: found no {}, expected what `ram compress` wrote",
         directory.string(), kRecordName);
  }
  return RecordFromJson(ReadTextFile(path), path.string());
}

}  // namespace ram
