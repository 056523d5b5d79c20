#include "ram/tokenizer/tokenizer_json.h"

#include <string>

#include "ram/base/error.h"

namespace ram {

TokenizerParts ReadTokenizerJson(const Json& json, std::string_view source) {
  const Json none;
  const auto part = [&](const char* key) -> const Json& {
    const auto found = json.find(key);
    return found == json.end() ? none : *found;
  };
  if (!json.is_object()) {
    Fail(ErrorKind::kCorrupt, "{}: found {}, expected an object", source,
         json.type_name());
  }
  const std::string version =
      OptionalString(json, "version", source).value_or("1.0");
  if (version != "1.0") {
    Fail(ErrorKind::kUnsupported, "{}: version: found '{}', expected '1.0'",
         source, version.substr(0, 40));
  }
  TokenizerParts parts;
  parts.source = source;
  parts.added_tokens = ReadAddedTokens(part("added_tokens"), source);
  parts.normalizer = MakeNormalizer(part("normalizer"), source);
  parts.pre_tokenizer = MakePreTokenizer(part("pre_tokenizer"), source);
  parts.model = MakeTokenModel(part("model"), source);
  parts.surrounding = ReadPostProcessor(part("post_processor"), source);
  parts.decoder = MakeDecoder(part("decoder"), source);
  return parts;
}

}  // namespace ram
