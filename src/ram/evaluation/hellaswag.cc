#include "ram/evaluation/hellaswag.h"

#include <fmt/format.h>

#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <set>
#include <utility>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/evaluation/python_text.h"

namespace ram {
namespace {

constexpr size_t kTextLines = 6;  // of an item: context, label, four endings

// re.sub("\\[.*?\\]", "", text): `.` is no newline.
std::string WithoutBrackets(std::string_view text) {
  std::string out;
  for (size_t at = 0; at < text.size();) {
    if (text[at] == '[') {
      const size_t end = text.find_first_of("]\n", at);
      if (end != std::string_view::npos && text[end] == ']') {
        at = end + 1;
        continue;
      }
    }
    out += text[at++];
  }
  return out;
}

std::optional<size_t> AsIndex(std::string_view text) {
  size_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return {};
  return value;
}

// A number, or a text with its digits (the published files have both).
size_t Label(const Json& object, const char* key, std::string_view source) {
  const auto found = object.find(key);
  if (found != object.end() && found->is_string()) {
    const auto& text = found->get_ref<const std::string&>();
    if (const auto index = AsIndex(text)) return *index;
    Fail(ErrorKind::kCorrupt, "{}: {}: found \"{}\", expected a number", source,
         key, text);
  }
  return UintField(object, key, source);
}

std::string Id(const Json& object, std::string_view source) {
  const auto index = OptionalUint(object, "ind", source);
  return index ? std::to_string(*index) : std::string();
}

ChoiceItem CleanedItem(const Json& object, std::string_view source) {
  ChoiceItem item;
  item.id = Id(object, source);
  item.context = StringField(object, "query", source);
  item.choices = TextList(object, "choices", source);
  item.answer = Label(object, "gold", source);
  CheckAnswer(item, "gold", source);
  return item;
}

ChoiceItem RawItem(const Json& object, std::string_view source) {
  ChoiceItem item;
  item.id = Id(object, source);
  item.context = HellaSwagContext(StringField(object, "activity_label", source),
                                  StringField(object, "ctx_a", source),
                                  StringField(object, "ctx_b", source));
  for (const std::string& ending : TextList(object, "endings", source)) {
    item.choices.push_back(CleanHellaSwag(ending));
  }
  item.answer = Label(object, "label", source);
  CheckAnswer(item, "label", source);
  return item;
}

std::vector<ChoiceItem> ReadJsonLines(const std::filesystem::path& path) {
  std::vector<ChoiceItem> items;
  std::set<std::pair<std::string, std::vector<std::string>>> seen;
  ForEachJsonLine(path, [&](const Json& object, std::string_view source) {
    const auto doc = object.find("doc");
    if (doc != object.end() && doc->is_object()) {
      ChoiceItem item = CleanedItem(*doc, source);
      if (seen.emplace(item.context, item.choices).second) {
        items.push_back(std::move(item));
      }
    } else if (object.contains("query")) {
      items.push_back(CleanedItem(object, source));
    } else {
      items.push_back(RawItem(object, source));
    }
  });
  return items;
}

std::vector<ChoiceItem> ReadSixLines(const std::filesystem::path& path,
                                     std::string_view text) {
  std::vector<ChoiceItem> items;
  std::array<std::string_view, kTextLines> lines;
  for (size_t number = 0; !text.empty();) {
    size_t read = 0;
    while (read < kTextLines && !text.empty()) {
      const size_t end = text.find('\n');
      lines[read++] = text.substr(0, end);
      text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    }
    const std::string source =
        fmt::format("{} line {}", path.string(), number + 1);
    number += kTextLines;
    const auto label = read == kTextLines ? AsIndex(lines[1]) : std::nullopt;
    if (!label) {
      Fail(ErrorKind::kCorrupt,
           "{}: item: found something else, expected six lines: context, "
           "label, four endings",
           source);
    }
    ChoiceItem item{std::to_string(items.size()),
                    std::string(lines[0]),
                    {lines.begin() + 2, lines.end()},
                    *label};
    CheckAnswer(item, "label", source);
    items.push_back(std::move(item));
  }
  return items;
}

}  // namespace

std::string CleanHellaSwag(std::string_view text) {
  const std::string titled = ReplaceAll(Strip(text), " [title]", ". ");
  return ReplaceAll(WithoutBrackets(titled), "  ", " ");
}

std::string HellaSwagContext(std::string_view activity_label,
                             std::string_view ctx_a, std::string_view ctx_b) {
  return CleanHellaSwag(
      fmt::format("{}: {} {}", activity_label, ctx_a, Capitalize(ctx_b)));
}

std::vector<ChoiceItem> ReadHellaSwag(const std::filesystem::path& path) {
  const std::string text = ReadTextFile(path, uint64_t{1} << 30);
  const size_t start = text.find_first_not_of(" \t\r\n");
  const bool json = start != std::string::npos && text[start] == '{';
  std::vector<ChoiceItem> items =
      json ? ReadJsonLines(path) : ReadSixLines(path, text);
  if (items.empty()) {
    Fail(ErrorKind::kCorrupt, "{}: found no item, expected one or more",
         path.string());
  }
  return items;
}

}  // namespace ram
