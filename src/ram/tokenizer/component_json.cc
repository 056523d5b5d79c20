#include "ram/tokenizer/component_json.h"

#include "ram/base/error.h"
#include "ram/tokenizer/unicode.h"

namespace ram {

std::string ComponentType(const Json& description, std::string_view part,
                          std::string_view source) {
  if (!description.is_object()) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected an object", source,
         part, description.type_name());
  }
  return StringField(description, "type", fmt::format("{}: {}", source, part));
}

bool BoolField(const Json& description, const char* key,
               std::string_view source) {
  const auto value = OptionalBool(description, key, source);
  if (!value) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found nothing, expected true or false",
         source, key);
  }
  return *value;
}

std::string CodePointField(const Json& description, const char* key,
                           std::string_view source) {
  std::string value = StringField(description, key, source);
  if (CountCodePoints(value) != 1) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found '{}', expected one character",
         source, key, value.substr(0, 40));
  }
  return value;
}

Regex PatternField(const Json& description, std::string_view source) {
  const auto pattern = description.find("pattern");
  if (pattern != description.end() && pattern->is_object() &&
      pattern->size() == 1) {
    if (const auto regex = OptionalString(*pattern, "Regex", source)) {
      return Regex(*regex, source);
    }
    if (const auto text = OptionalString(*pattern, "String", source)) {
      return Regex::Literal(*text, source);
    }
  }
  Fail(ErrorKind::kCorrupt,
       "{}: pattern: expected an object with either Regex or String", source);
}

const Json& ListField(const Json& description, const char* key,
                      std::string_view source) {
  const auto list = description.find(key);
  if (list == description.end() || !list->is_array()) {
    Fail(ErrorKind::kCorrupt, "{}: {}: expected an array", source, key);
  }
  return *list;
}

}  // namespace ram
