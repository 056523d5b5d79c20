#include "ram/tokenizer/tokenizer_config.h"

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/tokenizer/unicode.h"
#include "ram/tokenizer/vocabulary.h"

namespace ram {
namespace {

// The object in the file; null when there is none.
Json ReadIfThere(const std::filesystem::path& path) {
  if (!std::filesystem::exists(path)) return {};
  Json json = ReadJsonFile(path.string());
  if (!json.is_object()) {
    Fail(ErrorKind::kCorrupt, "{}: found {}, expected an object", path.string(),
         json.type_name());
  }
  return json;
}

// A token is a string, or an object with its text as "content".
std::string TokenText(const Json& config, const char* key,
                      std::string_view source) {
  const auto token = config.find(key);
  if (token != config.end() && token->is_object()) {
    return StringField(*token, "content", fmt::format("{}: {}", source, key));
  }
  return OptionalString(config, key, source).value_or("");
}

// One text, or a list of {"name", "template"}: then the one called default,
// else the first.
std::string TemplateText(const Json& config, std::string_view source) {
  const auto templates = config.find("chat_template");
  if (templates == config.end() || !templates->is_array()) {
    return OptionalString(config, "chat_template", source).value_or("");
  }
  const std::string where = fmt::format("{}: chat_template", source);
  std::string chosen;
  for (const Json& named : *templates) {
    std::string text = StringField(named, "template", where);
    if (StringField(named, "name", where) == "default") return text;
    if (chosen.empty()) chosen = std::move(text);
  }
  return chosen;
}

std::string ChatTemplate(const std::filesystem::path& directory,
                         const Json& config, std::string_view source) {
  const std::filesystem::path path = directory / "chat_template.jinja";
  if (!std::filesystem::exists(path)) return TemplateText(config, source);
  std::string text = ReadTextFile(path);
  if (const auto at = FindInvalidUtf8(text)) {
    Fail(ErrorKind::kCorrupt, "{}: byte {}: found what is not UTF-8",
         path.string(), *at);
  }
  return text;
}

// A number or a list of numbers; nullptr or null: none.
std::vector<TokenId> EndIds(const Json& config, std::string_view source) {
  std::vector<TokenId> ids;
  const auto found = config.find("eos_token_id");
  if (found == config.end() || found->is_null()) return ids;
  const Json list = found->is_array() ? *found : Json::array({*found});
  for (const Json& value : list) {
    const auto id = AsUint64(value);
    if (!id || *id >= Vocabulary::kMaxIds) {
      Fail(ErrorKind::kCorrupt, "{}: eos_token_id: expected ids less than {}",
           source, Vocabulary::kMaxIds);
    }
    ids.push_back(static_cast<TokenId>(*id));
  }
  return ids;
}

// bos_token_id, which no text needs: what is no id counts as missing.
std::optional<TokenId> StartId(const Json& config) {
  const auto found = config.find("bos_token_id");
  const auto id = found == config.end() ? std::nullopt : AsUint64(*found);
  if (!id || *id >= Vocabulary::kMaxIds) return std::nullopt;
  return static_cast<TokenId>(*id);
}

// The ids of the first file that has some, each kind for itself.
void ReadIds(const std::filesystem::path& directory, TokenizerConfig& result) {
  for (const char* name : {"generation_config.json", "config.json"}) {
    const std::string path = (directory / name).string();
    const Json config = ReadIfThere(path);
    if (!config.is_object()) continue;
    // Models that also see put the language model's config inside.
    const auto text = config.find("text_config");
    const Json inner = text == config.end() ? Json() : *text;
    for (const Json* object : {&config, &inner}) {
      if (!object->is_object()) continue;
      if (result.end_ids.empty()) result.end_ids = EndIds(*object, path);
      if (!result.start_id) result.start_id = StartId(*object);
    }
  }
}

}  // namespace

TokenizerConfig ReadTokenizerConfig(const std::filesystem::path& directory) {
  const std::string path = (directory / "tokenizer_config.json").string();
  const Json config = ReadIfThere(path);
  TokenizerConfig result;
  result.start_token = TokenText(config, "bos_token", path);
  result.end_token = TokenText(config, "eos_token", path);
  if (config.is_null()) {
    const std::string map_path =
        (directory / "special_tokens_map.json").string();
    const Json map = ReadIfThere(map_path);
    result.start_token = TokenText(map, "bos_token", map_path);
    result.end_token = TokenText(map, "eos_token", map_path);
  }
  result.add_start = OptionalBool(config, "add_bos_token", path);
  result.add_end = OptionalBool(config, "add_eos_token", path);
  result.unknown_token = TokenText(config, "unk_token", path);
  result.padding_token = TokenText(config, "pad_token", path);
  ReadIds(directory, result);
  result.chat_template = ChatTemplate(directory, config, path);
  return result;
}

}  // namespace ram
