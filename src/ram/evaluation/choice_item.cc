#include "ram/evaluation/choice_item.h"

#include <fmt/format.h>

#include "ram/base/error.h"
#include "ram/base/file.h"

namespace ram {

void ForEachJsonLine(const std::filesystem::path& path,
                     const std::function<void(const Json& object,
                                              std::string_view source)>& line) {
  const std::string text = ReadTextFile(path, uint64_t{1} << 30);
  std::string_view rest = text;
  for (size_t number = 1; !rest.empty(); ++number) {
    const size_t end = rest.find('\n');
    const std::string_view own = rest.substr(0, end);
    rest.remove_prefix(end == std::string_view::npos ? rest.size() : end + 1);
    if (own.find_first_not_of(" \t\r") == std::string_view::npos) continue;
    const std::string source = fmt::format("{} line {}", path.string(), number);
    const Json object = ParseJson(own, source);
    if (!object.is_object()) {
      Fail(ErrorKind::kCorrupt, "{}: found {}, expected a JSON object", source,
           object.type_name());
    }
    line(object, source);
  }
}

std::vector<std::string> TextList(const Json& object, const char* key,
                                  std::string_view source) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->size() < 2) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected two texts or more",
         source, key,
         found == object.end() ? "nothing" : std::string(found->type_name()));
  }
  std::vector<std::string> texts;
  for (const Json& text : *found) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
      Fail(ErrorKind::kCorrupt, "{}: {}[{}]: found {}, expected a text", source,
           key, texts.size(), text.is_string() ? "\"\"" : text.type_name());
    }
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

void CheckAnswer(const ChoiceItem& item, const char* key,
                 std::string_view source) {
  if (item.answer >= item.choices.size()) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected one of {} choices",
         source, key, item.answer, item.choices.size());
  }
}

}  // namespace ram
