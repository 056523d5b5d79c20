// JSON from files nobody vouches for. nlohmann::json alone keeps the last of
// two equal keys, accepts any depth, and turns -1 and 1.5 into a uint64_t.
#pragma once

#include <cstdint>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace ram {

using Json = nlohmann::json;
// Keeps the order of keys: for what we write.
using OrderedJson = nlohmann::ordered_json;

// Parses `text`. Throws kCorrupt, naming `source`, on malformed text (with the
// byte), on a repeated key (with the key) and on nesting deeper than max_depth.
Json ParseJson(std::string_view text, std::string_view source,
               int max_depth = 64);
Json ReadJsonFile(const std::string& path, int max_depth = 64);

// The number as an unsigned 64-bit integer; nullopt for negative numbers,
// fractions and everything else.
std::optional<uint64_t> AsUint64(const Json& value);

// object[key] as the wanted type. The *Field functions throw kCorrupt
// "SOURCE: KEY: found ..., expected ..." when missing or of another type; the
// others give nullopt when missing and throw when of another type. JSON null
// counts as missing.
uint64_t UintField(const Json& object, const char* key,
                   std::string_view source);
std::string StringField(const Json& object, const char* key,
                        std::string_view source);
std::optional<uint64_t> OptionalUint(const Json& object, const char* key,
                                     std::string_view source);
std::optional<std::string> OptionalString(const Json& object, const char* key,
                                          std::string_view source);
std::optional<bool> OptionalBool(const Json& object, const char* key,
                                 std::string_view source);

// The beginning of `value` as JSON, for messages.
std::string Excerpt(const Json& value, size_t most = 80);

}  // namespace ram
