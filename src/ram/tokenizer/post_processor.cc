#include "ram/tokenizer/post_processor.h"

#include <iterator>
#include <string>

#include "ram/base/error.h"
#include "ram/tokenizer/component_json.h"
#include "ram/tokenizer/vocabulary.h"

namespace ram {
namespace {

TokenId CheckedId(const Json& value, std::string_view source) {
  const auto id = AsUint64(value);
  if (!id || *id >= Vocabulary::kMaxIds) {
    Fail(ErrorKind::kCorrupt, "{}: token id: found {}, expected less than {}",
         source,
         value.dump(-1, ' ', false, Json::error_handler_t::replace)
             .substr(0, 40),
         Vocabulary::kMaxIds);
  }
  return static_cast<TokenId>(*id);
}

// {"SpecialToken": {"id": NAME}} -> the ids of special_tokens[NAME].
void AppendSpecial(const Json& piece, const Json& description,
                   std::vector<TokenId>& ids, std::string_view source) {
  const std::string name = StringField(piece, "id", source);
  const auto tokens = description.find("special_tokens");
  if (tokens == description.end() || !tokens->is_object() ||
      !tokens->contains(name)) {
    Fail(ErrorKind::kCorrupt,
         "{}: special_tokens: found no '{}', which the template names", source,
         name.substr(0, 80));
  }
  for (const Json& id : ListField((*tokens)[name], "ids", source)) {
    ids.push_back(CheckedId(id, source));
  }
}

SurroundingTokens ReadTemplate(const Json& description,
                               std::string_view source) {
  SurroundingTokens result;
  bool text_seen = false;
  for (const Json& piece : ListField(description, "single", source)) {
    if (piece.is_object() && piece.contains("SpecialToken")) {
      AppendSpecial(piece["SpecialToken"], description,
                    text_seen ? result.after : result.before, source);
    } else if (piece.is_object() && piece.contains("Sequence") && !text_seen) {
      text_seen = true;
    } else {
      Fail(ErrorKind::kUnsupported,
           "{}: single: expected special tokens around one Sequence", source);
    }
  }
  return result;
}

// "cls" and "sep" are ["text", id].
SurroundingTokens ReadClsSep(const Json& description, std::string_view source) {
  const auto id = [&](const char* key) {
    const Json& pair = ListField(description, key, source);
    return CheckedId(pair.size() == 2 ? pair[1] : Json(), source);
  };
  return {{id("cls")}, {id("sep")}};
}

}  // namespace

SurroundingTokens ReadPostProcessor(const Json& description,
                                    std::string_view source) {
  if (description.is_null()) return {};
  const std::string type = ComponentType(description, "post_processor", source);
  const std::string where = fmt::format("{}: {}", source, type.substr(0, 40));
  if (type == "ByteLevel") return {};  // moves offsets only
  if (type == "TemplateProcessing") return ReadTemplate(description, where);
  if (type == "BertProcessing" || type == "RobertaProcessing") {
    return ReadClsSep(description, where);
  }
  if (type == "Sequence") {
    SurroundingTokens result;
    for (const Json& step : ListField(description, "processors", source)) {
      const SurroundingTokens tokens = ReadPostProcessor(step, source);
      result.before.insert(result.before.begin(), tokens.before.begin(),
                           tokens.before.end());
      result.after.insert(result.after.end(), tokens.after.begin(),
                          tokens.after.end());
    }
    return result;
  }
  Fail(ErrorKind::kUnsupported,
       "{}: post_processor: found {}, which is not supported", source,
       type.substr(0, 40));
}

}  // namespace ram
