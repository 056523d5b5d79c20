// Methods, fields and global functions of chat templates.
#include <algorithm>
#include <chrono>
#include <ctime>

#include "ram/base/error.h"
#include "ram/tokenizer/jinja_functions.h"

namespace ram {
namespace {

const std::string& Text(const JinjaArguments& arguments, size_t place) {
  const JinjaValue* value = arguments.Find(place, "");
  if (!value) FailJinja("an argument is missing");
  return value->string();
}

// At runs of white space, none at the ends; `left` times at most, if >= 0.
JinjaValue SplitAtSpace(const std::string& text, int64_t left) {
  const std::vector<std::string_view> points = JinjaCodePoints(text);
  JinjaList parts;
  for (size_t i = 0;;) {
    while (i < points.size() && IsSpaceCharacter(points[i])) ++i;
    if (i == points.size()) break;
    std::string part;
    for (; i < points.size() && (left == 0 || !IsSpaceCharacter(points[i]));
         ++i) {
      part += points[i];
    }
    parts.push_back(JinjaValue::String(std::move(part)));
    if (left > 0) --left;
  }
  return JinjaValue::List(std::move(parts));
}

// str.split and str.rsplit: without a separator, at runs of white space.
JinjaValue SplitText(const std::string& text, const JinjaArguments& arguments,
                     bool from_right) {
  const JinjaValue* separator = arguments.Find(0, "sep");
  const JinjaValue* most = arguments.Find(1, "maxsplit");
  int64_t left = most ? most->integer() : -1;
  JinjaList parts;
  const auto add = [&](std::string part) {
    parts.push_back(JinjaValue::String(std::move(part)));
  };
  if (!separator || separator->none()) {
    if (from_right) {
      throw Error(ErrorKind::kUnsupported,
                  "rsplit without a separator is not supported");
    }
    return SplitAtSpace(text, left);
  }
  const std::string& by = separator->string();
  if (by.empty()) FailJinja("split: found '', expected a separator");
  if (from_right) {
    size_t end = text.size();
    while (left != 0) {
      const size_t found =
          end < by.size() ? std::string::npos : text.rfind(by, end - by.size());
      if (found == std::string::npos) break;
      add(text.substr(found + by.size(), end - found - by.size()));
      end = found;
      --left;
    }
    add(text.substr(0, end));
    std::reverse(parts.begin(), parts.end());
    return JinjaValue::List(std::move(parts));
  }
  size_t at = 0;
  while (left != 0) {
    const size_t found = text.find(by, at);
    if (found == std::string::npos) break;
    add(text.substr(at, found - at));
    at = found + by.size();
    --left;
  }
  add(text.substr(at));
  return JinjaValue::List(std::move(parts));
}

// str.startswith and str.endswith: of one text, or one of several.
bool HasEnd(const std::string& text, const JinjaArguments& arguments,
            bool at_end) {
  const JinjaValue* which = arguments.Find(0, "");
  if (!which) FailJinja("an argument is missing");
  const auto fits = [&](const JinjaValue& value) {
    return at_end ? text.ends_with(value.string())
                  : text.starts_with(value.string());
  };
  if (which->list()) {
    return std::any_of(which->list()->begin(), which->list()->end(), fits);
  }
  return fits(*which);
}

// str.format with {} alone.
std::string FormatText(const std::string& form,
                       const JinjaArguments& arguments) {
  std::string out;
  size_t used = 0;
  for (size_t at = 0; at < form.size(); ++at) {
    const char c = form[at];
    if (c != '{' && c != '}') {
      out += c;
      continue;
    }
    const char next = at + 1 < form.size() ? form[at + 1] : '\0';
    if (next == c) {
      out += c;
    } else if (c == '{' && next == '}') {
      const JinjaValue* value = arguments.Find(used++, "");
      if (!value) FailJinja("format: an argument is missing");
      out += value->Str();
    } else {
      throw Error(ErrorKind::kUnsupported,
                  "format with more than {} is not supported");
    }
    ++at;
  }
  return out;
}

int64_t PointsBefore(const std::string& text, size_t place) {
  return static_cast<int64_t>(
      JinjaCodePoints(std::string_view(text).substr(0, place)).size());
}

JinjaValue CallStringMethod(const std::string& name, const std::string& text,
                            const JinjaArguments& arguments) {
  const auto string = [](std::string out) {
    return JinjaValue::String(std::move(out));
  };
  const JinjaValue* first = arguments.Find(0, "chars");
  if (name == "strip") return string(TrimText(text, TrimSide::kBoth, first));
  if (name == "lstrip") return string(TrimText(text, TrimSide::kLeft, first));
  if (name == "rstrip") return string(TrimText(text, TrimSide::kRight, first));
  if (name == "split") return SplitText(text, arguments, false);
  if (name == "rsplit") return SplitText(text, arguments, true);
  if (name == "startswith" || name == "endswith") {
    return JinjaValue::Bool(HasEnd(text, arguments, name == "endswith"));
  }
  if (name == "upper") return string(UpperText(text));
  if (name == "lower") return string(LowerText(text));
  if (name == "title") return string(TitleText(text));
  if (name == "capitalize") return string(CapitalText(text));
  if (name == "replace") {
    const JinjaValue* count = arguments.Find(2, "count");
    return string(ReplaceText(text, Text(arguments, 0), Text(arguments, 1),
                              count ? count->integer() : -1));
  }
  if (name == "format") return string(FormatText(text, arguments));
  if (name == "find" || name == "rfind") {
    const std::string& part = Text(arguments, 0);
    const size_t found = name == "find" ? text.find(part) : text.rfind(part);
    return JinjaValue::Int(
        found == std::string::npos ? -1 : PointsBefore(text, found));
  }
  const JinjaValue* items = arguments.Find(0, "");  // join
  if (!items) FailJinja("an argument is missing");
  std::string out;
  bool begun = false;
  for (const JinjaValue& item : items->Items()) {
    if (begun) out += text;
    out += item.string();
    begun = true;
  }
  return string(std::move(out));
}

constexpr std::string_view kStringMethods[] = {
    "strip",    "lstrip", "rstrip", "split", "rsplit",     "startswith",
    "endswith", "upper",  "lower",  "title", "capitalize", "replace",
    "find",     "rfind",  "join",   "format"};

JinjaValue CallDictMethod(const std::string& name, const JinjaDict& dict,
                          const JinjaArguments& arguments) {
  if (name == "get") {
    const JinjaValue* key = arguments.Find(0, "");
    if (!key) FailJinja("an argument is missing");
    const JinjaValue* found =
        key->is_string() ? FindField(dict, key->string()) : nullptr;
    if (found) return *found;
    const JinjaValue* otherwise = arguments.Find(1, "default");
    return otherwise ? *otherwise : JinjaValue(JinjaValue::None{});
  }
  JinjaList out;
  for (const auto& [key, value] : dict) {
    if (name == "keys") {
      out.push_back(JinjaValue::String(key));
    } else if (name == "values") {
      out.push_back(value);
    } else {
      out.push_back(JinjaValue::TupleOf({JinjaValue::String(key), value}));
    }
  }
  return JinjaValue::List(std::move(out));
}

constexpr std::string_view kDictMethods[] = {"get", "keys", "values", "items"};

template <size_t n>
bool IsOneOf(const std::string_view (&names)[n], const std::string& name) {
  return std::find(std::begin(names), std::end(names), name) != std::end(names);
}

JinjaValue Range(const JinjaArguments& arguments) {
  std::vector<int64_t> numbers;
  for (const JinjaValue& value : arguments.positional) {
    numbers.push_back(value.integer());
  }
  if (numbers.empty() || numbers.size() > 3) {
    FailJinja("range: expected 1 to 3 numbers");
  }
  const int64_t begin = numbers.size() == 1 ? 0 : numbers[0];
  const int64_t end = numbers.size() == 1 ? numbers[0] : numbers[1];
  const int64_t step = numbers.size() == 3 ? numbers[2] : 1;
  if (step == 0) FailJinja("range: found step 0, expected another");
  JinjaList out;
  for (int64_t i = begin; step > 0 ? i < end : i > end;) {
    // The limit of Jinja2's sandbox.
    if (out.size() >= 100'000) FailJinja("range: more than 100,000 numbers");
    out.push_back(JinjaValue::Int(i));
    if (__builtin_add_overflow(i, step, &i)) break;
  }
  return JinjaValue::List(std::move(out));
}

JinjaValue StrftimeNow(const JinjaArguments& arguments) {
  const std::string format = Text(arguments, 0);
  const std::time_t now =
      std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm parts{};
  ::localtime_r(&now, &parts);
  char text[256];
  const size_t size = std::strftime(text, sizeof text, format.c_str(), &parts);
  return JinjaValue::String(std::string(text, size));
}

}  // namespace

JinjaValue FindJinjaMethod(const JinjaValue& object, const std::string& name) {
  if (object.is_string() && IsOneOf(kStringMethods, name)) {
    return JinjaValue::Function(
        [name, text = object.string()](const JinjaArguments& arguments) {
          return CallStringMethod(name, text, arguments);
        });
  }
  if (object.dict() && IsOneOf(kDictMethods, name)) {
    return JinjaValue::Function(
        [name, object](const JinjaArguments& arguments) {
          return CallDictMethod(name, *object.dict(), arguments);
        });
  }
  return {};
}

JinjaValue GetJinjaField(const JinjaValue& object, const std::string& name) {
  if (object.undefined()) {
    FailJinja(object.TypeName() + ", has no '" + name + "'");
  }
  const JinjaDict* fields = object.dict();
  if (const JinjaDict* space = object.namespace_fields()) fields = space;
  const JinjaValue* found = fields ? FindField(*fields, name) : nullptr;
  return found ? *found : JinjaValue::MissingName(name);
}

JinjaValue FindJinjaFunction(const std::string& name) {
  if (name == "range") return JinjaValue::Function(Range);
  if (name == "strftime_now") return JinjaValue::Function(StrftimeNow);
  if (name == "raise_exception") {
    return JinjaValue::Function([](const JinjaArguments& a) -> JinjaValue {
      throw JinjaRaised(Text(a, 0));
    });
  }
  if (name == "namespace" || name == "dict") {
    return JinjaValue::Function([name](const JinjaArguments& a) {
      JinjaDict fields;
      for (const JinjaValue& from : a.positional) {
        if (!from.dict()) FailJinja(name + ": expected keywords");
        fields.insert(fields.end(), from.dict()->begin(), from.dict()->end());
      }
      fields.insert(fields.end(), a.keywords.begin(), a.keywords.end());
      return name == "dict" ? JinjaValue::Dict(std::move(fields))
                            : JinjaValue::NamespaceOf(std::move(fields));
    });
  }
  return JinjaValue::MissingName(name);
}

}  // namespace ram
