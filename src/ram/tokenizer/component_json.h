// What the readers of the parts of a tokenizer.json share.
#pragma once

#include <string>
#include <string_view>

#include "ram/base/json.h"
#include "ram/tokenizer/regex.h"

namespace ram {

// description["type"]. Throws kCorrupt, naming `source` and `part`.
std::string ComponentType(const Json& description, std::string_view part,
                          std::string_view source);

// `key` as a boolean. Throws kCorrupt when it is missing.
bool BoolField(const Json& description, const char* key,
               std::string_view source);

// `key` as a string of one code point.
std::string CodePointField(const Json& description, const char* key,
                           std::string_view source);

// {"Regex": text} or {"String": text}.
Regex PatternField(const Json& description, std::string_view source);

// description[key] as an array of objects.
const Json& ListField(const Json& description, const char* key,
                      std::string_view source);

}  // namespace ram
