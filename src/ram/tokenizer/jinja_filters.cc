// Filters and tests of chat templates.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/jinja_functions.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

JinjaValue String(std::string text) {
  return JinjaValue::String(std::move(text));
}

const JinjaValue& Needed(const JinjaArguments& arguments, size_t place,
                         const std::string& filter) {
  const JinjaValue* value = arguments.Find(place, "");
  if (!value) FailJinja(filter + ": an argument is missing");
  return *value;
}

int64_t Length(const JinjaValue& input) {
  if (input.is_string()) {
    return static_cast<int64_t>(JinjaCodePoints(input.string()).size());
  }
  if (input.dict()) return static_cast<int64_t>(input.dict()->size());
  if (input.list()) return static_cast<int64_t>(input.list()->size());
  if (input.undefined()) return 0;
  FailJinja(input.TypeName() + " has no length");
}

JinjaValue Default(const JinjaValue& input, const JinjaArguments& arguments) {
  const JinjaValue* also_false = arguments.Find(1, "boolean");
  const bool use = input.undefined() ||
                   (also_false && also_false->Truth() && !input.Truth());
  if (!use) return input;
  const JinjaValue* value = arguments.Find(0, "default_value");
  return value ? *value : String("");
}

JinjaValue Join(const JinjaValue& input, const JinjaArguments& arguments) {
  const JinjaValue* by = arguments.Find(0, "d");
  const JinjaValue* attribute = arguments.Find(1, "attribute");
  std::string out;
  bool begun = false;
  for (const JinjaValue& item : input.Items()) {
    if (begun && by) out += by->Str();
    out +=
        attribute ? GetJinjaField(item, attribute->string()).Str() : item.Str();
    begun = true;
  }
  return String(std::move(out));
}

// What map and select go through: as in Jinja2, nothing of what is false.
JinjaList ItemsOfTruth(const JinjaValue& input) {
  return input.Truth() ? input.Items() : JinjaList();
}

// map("name", ...) or map(attribute="name", default=...).
JinjaValue Map(const JinjaValue& input, const JinjaArguments& arguments) {
  const JinjaValue* attribute = arguments.Find(SIZE_MAX, "attribute");
  const JinjaValue* otherwise = arguments.Find(SIZE_MAX, "default");
  JinjaList out;
  for (const JinjaValue& item : ItemsOfTruth(input)) {
    if (attribute) {
      JinjaValue field = GetJinjaField(item, attribute->string());
      out.push_back(field.undefined() && otherwise ? *otherwise : field);
      continue;
    }
    JinjaArguments rest = arguments;
    const std::string name = Needed(arguments, 0, "map").string();
    rest.positional.erase(rest.positional.begin());
    out.push_back(ApplyJinjaFilter(name, item, rest));
  }
  return JinjaValue::List(std::move(out));
}

// select(test?, ...), selectattr(attribute, test?, ...) and their opposites.
JinjaValue Select(const JinjaValue& input, JinjaArguments arguments,
                  bool attribute, bool keep) {
  std::string field, test;
  auto& rest = arguments.positional;
  if (attribute) {
    field = Needed(arguments, 0, "selectattr").string();
    rest.erase(rest.begin());
  }
  if (!rest.empty()) {
    test = rest.front().string();
    rest.erase(rest.begin());
  }
  JinjaList out;
  for (const JinjaValue& item : ItemsOfTruth(input)) {
    const JinjaValue value = attribute ? GetJinjaField(item, field) : item;
    const bool fits =
        test.empty() ? value.Truth() : ApplyJinjaTest(test, value, arguments);
    if (fits == keep) out.push_back(item);
  }
  return JinjaValue::List(std::move(out));
}

JinjaValue DictSort(const JinjaValue& input, const JinjaArguments& arguments) {
  if (!arguments.positional.empty() || !arguments.keywords.empty()) {
    throw Error(ErrorKind::kUnsupported,
                "arguments of the filter 'dictsort' are not supported");
  }
  if (!input.dict()) FailJinja("dictsort: expected a dictionary");
  JinjaDict sorted = *input.dict();
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) {
                     return LowerText(a.first) < LowerText(b.first);
                   });
  JinjaList out;
  for (const auto& [key, value] : sorted) {
    out.push_back(JinjaValue::TupleOf({String(key), value}));
  }
  return JinjaValue::List(std::move(out));
}

JinjaValue Indent(const JinjaValue& input, const JinjaArguments& arguments) {
  const JinjaValue* width = arguments.Find(0, "width");
  const JinjaValue* first = arguments.Find(1, "first");
  const JinjaValue* blank = arguments.Find(2, "blank");
  std::string space;
  if (width && width->is_string()) {
    space = width->string();
  } else {
    const int64_t columns = width ? width->integer() : 4;
    if (columns < 0 || columns > 1000) FailJinja("indent: 1000 at most");
    space.assign(static_cast<size_t>(columns), ' ');
  }
  const std::string& text = input.string();
  std::string out;
  size_t at = 0;
  for (bool begins = true;; begins = false) {
    const size_t end = std::min(text.find('\n', at), text.size());
    const bool filled = end > at || (blank && blank->Truth());
    if (begins ? first && first->Truth() : filled) out += space;
    out.append(text, at, end - at);
    if (end == text.size()) return String(std::move(out));
    out += '\n';
    at = end + 1;
  }
}

JinjaValue ToInt(const JinjaValue& input, const JinjaArguments& arguments) {
  const JinjaValue* otherwise = arguments.Find(0, "default");
  JinjaValue fallback = otherwise ? *otherwise : JinjaValue::Int(0);
  if (input.is_integer()) return JinjaValue::Int(input.integer());
  if (input.Is<double>()) {
    const double value = std::trunc(input.number());
    if (!(std::abs(value) < 0x1p63)) return fallback;
    return JinjaValue::Int(static_cast<int64_t>(value));
  }
  if (!input.is_string()) return fallback;
  const std::string text = TrimText(input.string(), TrimSide::kBoth, nullptr);
  char* end = nullptr;
  errno = 0;
  const long long value = std::strtoll(text.c_str(), &end, 10);
  if (text.empty() || *end != '\0' || errno != 0) return fallback;
  return JinjaValue::Int(value);
}

JinjaValue ToFloat(const JinjaValue& input, const JinjaArguments& arguments) {
  const JinjaValue* otherwise = arguments.Find(0, "default");
  JinjaValue fallback = otherwise ? *otherwise : JinjaValue(0.0);
  if (input.is_number()) return JinjaValue(input.number());
  if (!input.is_string()) return fallback;
  const std::string text = TrimText(input.string(), TrimSide::kBoth, nullptr);
  char* end = nullptr;
  const double value = std::strtod(text.c_str(), &end);
  if (text.empty() || *end != '\0') return fallback;
  return JinjaValue(value);
}

// JSON's escapes for all that is not ASCII.
std::string EscapeNonAscii(std::string_view json) {
  std::string out;
  while (!json.empty()) {
    const CodePoint c = FirstCodePoint(json);
    const auto value = static_cast<uint32_t>(c.value);
    if (value < 0x80) {
      out += json.front();
    } else if (value < 0x10000) {
      out += fmt::format("\\u{:04x}", value);
    } else {
      const uint32_t rest = value - 0x10000;
      out += fmt::format("\\u{:04x}\\u{:04x}", 0xD800 + (rest >> 10),
                         0xDC00 + (rest & 0x3FF));
    }
    json.remove_prefix(c.bytes);
  }
  return out;
}

JinjaValue ToJsonFilter(const JinjaValue& input,
                        const JinjaArguments& arguments) {
  for (const auto& keyword : arguments.keywords) {
    const std::string& name = keyword.first;
    const bool as_is = name == "sort_keys" && !keyword.second.Truth();
    if (name != "indent" && name != "ensure_ascii" && !as_is) {
      Fail(ErrorKind::kUnsupported,
           "the argument '{}' of the filter 'tojson' is not supported", name);
    }
  }
  const JinjaValue* indent = arguments.Find(SIZE_MAX, "indent");
  if (indent && indent->none()) indent = nullptr;
  const int64_t columns = indent ? indent->integer() : -1;
  if (columns > 100) FailJinja("tojson: 100 columns at most");
  std::string json =
      input.ToJson(static_cast<int>(std::max<int64_t>(columns, -1)));
  const JinjaValue* ascii = arguments.Find(SIZE_MAX, "ensure_ascii");
  return String(ascii && ascii->Truth() ? EscapeNonAscii(json)
                                        : std::move(json));
}

JinjaValue Ends(const JinjaValue& input, bool last) {
  const JinjaList items = input.Items();
  if (items.empty()) return {};
  return last ? items.back() : items.front();
}

JinjaValue Reverse(const JinjaValue& input) {
  JinjaList items = input.Items();
  std::reverse(items.begin(), items.end());
  if (!input.is_string()) return JinjaValue::List(std::move(items));
  std::string out;
  for (const JinjaValue& item : items) out += item.string();
  return String(std::move(out));
}

JinjaValue Unique(const JinjaValue& input) {
  JinjaList out;
  for (const JinjaValue& item : input.Items()) {
    const auto same = [&](const JinjaValue& other) {
      if (item.is_string() && other.is_string()) {
        return LowerText(item.string()) == LowerText(other.string());
      }
      return JinjaValue::Equal(item, other);
    };
    if (std::none_of(out.begin(), out.end(), same)) out.push_back(item);
  }
  return JinjaValue::List(std::move(out));
}

}  // namespace

JinjaValue ApplyJinjaFilter(const std::string& name, const JinjaValue& input,
                            const JinjaArguments& arguments) {
  const JinjaValue* first = arguments.Find(0, "chars");
  if (name == "trim") {
    return String(TrimText(input.Str(), TrimSide::kBoth, first));
  }
  if (name == "length" || name == "count") {
    return JinjaValue::Int(Length(input));
  }
  if (name == "default" || name == "d") return Default(input, arguments);
  if (name == "tojson") return ToJsonFilter(input, arguments);
  if (name == "join") return Join(input, arguments);
  if (name == "string" || name == "safe") return String(input.Str());
  if (name == "upper") return String(UpperText(input.Str()));
  if (name == "lower") return String(LowerText(input.Str()));
  if (name == "title") return String(TitleText(input.Str()));
  if (name == "capitalize") return String(CapitalText(input.Str()));
  if (name == "first" || name == "last") return Ends(input, name == "last");
  if (name == "list") return JinjaValue::List(input.Items());
  if (name == "items") {
    if (input.undefined()) return JinjaValue::List({});
    if (!input.dict()) FailJinja("items: expected a dictionary");
    return (*FindJinjaMethod(input, "items").function())({});
  }
  if (name == "map") return Map(input, arguments);
  if (name == "select" || name == "reject") {
    return Select(input, arguments, false, name == "select");
  }
  if (name == "selectattr" || name == "rejectattr") {
    return Select(input, arguments, true, name == "selectattr");
  }
  if (name == "dictsort") return DictSort(input, arguments);
  if (name == "indent") return Indent(input, arguments);
  if (name == "int") return ToInt(input, arguments);
  if (name == "float") return ToFloat(input, arguments);
  if (name == "reverse") return Reverse(input);
  if (name == "unique") return Unique(input);
  if (name == "abs" && input.is_number()) {
    if (input.Is<double>()) return JinjaValue(std::abs(input.number()));
    if (input.integer() == INT64_MIN) FailJinja("abs: more than 64 bits");
    return JinjaValue::Int(std::abs(input.integer()));
  }
  if (name == "replace") {
    const JinjaValue* count = arguments.Find(2, "count");
    return String(ReplaceText(input.Str(), Needed(arguments, 0, name).Str(),
                              Needed(arguments, 1, name).Str(),
                              count && !count->none() ? count->integer() : -1));
  }
  Fail(ErrorKind::kUnsupported, "the filter '{}' is not supported", name);
}

bool ApplyJinjaTest(const std::string& name, const JinjaValue& input,
                    const JinjaArguments& arguments) {
  if (name == "defined") return !input.undefined();
  if (name == "undefined") return input.undefined();
  if (name == "none") return input.none();
  if (name == "string") return input.is_string();
  if (name == "number") return input.is_number();
  if (name == "integer") return input.Is<int64_t>();
  if (name == "float") return input.Is<double>();
  if (name == "boolean") return input.Is<bool>();
  if (name == "true") return input.Is<bool>() && input.Truth();
  if (name == "false") return input.Is<bool>() && !input.Truth();
  if (name == "mapping") return input.is_mapping();
  if (name == "callable") return input.function() != nullptr;
  if (name == "sequence" || name == "iterable") {
    return input.is_string() || input.list() || input.dict() ||
           input.undefined();
  }
  if (name == "eq" || name == "equalto") {
    return JinjaValue::Equal(input, Needed(arguments, 0, name));
  }
  if (name == "ne")
    return !JinjaValue::Equal(input, Needed(arguments, 0, name));
  if (name == "in") return Needed(arguments, 0, name).Contains(input);
  if (name == "odd") return input.integer() % 2 != 0;
  if (name == "even") return input.integer() % 2 == 0;
  if (name == "lower") {
    return input.Str() == LowerText(input.Str()) &&
           input.Str() != UpperText(input.Str());
  }
  if (name == "upper") {
    return input.Str() == UpperText(input.Str()) &&
           input.Str() != LowerText(input.Str());
  }
  Fail(ErrorKind::kUnsupported, "the test '{}' is not supported", name);
}

}  // namespace ram
