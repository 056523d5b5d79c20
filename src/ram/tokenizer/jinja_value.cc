#include "ram/tokenizer/jinja_value.h"

#include <algorithm>
#include <cmath>

#include "ram/base/error.h"

namespace ram {
namespace {

constexpr int kDeepest = 100;

std::string Repr(const JinjaValue& value, int depth);

// Python's repr: the shortest digits that give the number back.
std::string FloatText(double value) {
  if (std::isnan(value)) return "nan";
  if (std::isinf(value)) return value > 0 ? "inf" : "-inf";
  const double size = std::abs(value);
  if (value == std::floor(value) && size < 1e16) {
    return fmt::format("{:.1f}", value);
  }
  return fmt::format("{}", value);
}

std::string QuotedForPython(const std::string& text) {
  const bool double_quotes = text.find('\'') != std::string::npos &&
                             text.find('"') == std::string::npos;
  const char quote = double_quotes ? '"' : '\'';
  std::string out(1, quote);
  for (const char c : text) {
    switch (c) {
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\\':
        out += "\\\\";
        break;
      default:
        if (c == quote) out += '\\';
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) {
          out += fmt::format("\\x{:02x}", static_cast<unsigned>(c));
        } else {
          out += c;
        }
    }
  }
  return out + quote;
}

std::string JoinShown(const JinjaList& items, int depth) {
  std::string out;
  for (size_t i = 0; i < items.size(); ++i) {
    if (i > 0) out += ", ";
    out += Repr(items[i], depth + 1);
  }
  return out;
}

std::string ReprDict(const JinjaDict& dict, int depth) {
  std::string out = "{";
  for (const auto& [key, value] : dict) {
    if (out.size() > 1) out += ", ";
    out += QuotedForPython(key) + ": " + Repr(value, depth + 1);
  }
  return out + "}";
}

std::string Repr(const JinjaValue& value, int depth) {
  if (depth > kDeepest) FailJinja("values nested deeper than 100");
  if (value.is_string()) return QuotedForPython(value.string());
  if (value.undefined()) return "Undefined";
  if (const JinjaList* list = value.list()) {
    if (!value.Is<JinjaValue::Tuple>())
      return "[" + JoinShown(*list, depth) + "]";
    return "(" + JoinShown(*list, depth) + (list->size() == 1 ? ",)" : ")");
  }
  if (const JinjaDict* dict = value.dict()) return ReprDict(*dict, depth);
  if (const JinjaDict* fields = value.namespace_fields()) {
    return "<Namespace " + ReprDict(*fields, depth) + ">";
  }
  if (value.function()) FailJinja("the text of a function");
  return value.Str();
}

std::string JsonString(const std::string& text) {
  return OrderedJson(text).dump(-1, ' ', false,
                                OrderedJson::error_handler_t::replace);
}

void AppendJson(const JinjaValue& value, int indent, int depth,
                std::string& out) {
  if (depth > kDeepest) FailJinja("values nested deeper than 100");
  const auto new_line = [&](int level) {
    if (indent < 0) return;
    out += '\n';
    out.append(static_cast<size_t>(indent) * static_cast<size_t>(level), ' ');
  };
  const std::string_view comma = indent < 0 ? ", " : ",";
  bool first = true;
  if (const JinjaList* list = value.list()) {
    out += '[';
    for (const JinjaValue& item : *list) {
      if (!first) out += comma;
      first = false;
      new_line(depth + 1);
      AppendJson(item, indent, depth + 1, out);
    }
    if (!first) new_line(depth);
    out += ']';
  } else if (const JinjaDict* dict = value.dict()) {
    out += '{';
    for (const auto& [key, item] : *dict) {
      if (!first) out += comma;
      first = false;
      new_line(depth + 1);
      out += JsonString(key) + ": ";
      AppendJson(item, indent, depth + 1, out);
    }
    if (!first) new_line(depth);
    out += '}';
  } else if (value.is_string()) {
    out += JsonString(value.string());
  } else if (value.Is<bool>()) {
    out += value.Truth() ? "true" : "false";
  } else if (value.none()) {
    out += "null";
  } else if (value.is_number()) {
    out += value.Str();
  } else {
    FailJinja(value.TypeName() + " is not JSON serializable");
  }
}

}  // namespace

void FailJinja(const std::string& what) {
  throw Error(ErrorKind::kCorrupt, what);
}

const JinjaValue* JinjaArguments::Find(size_t place,
                                       std::string_view name) const {
  if (place < positional.size()) return &positional[place];
  for (const auto& [key, value] : keywords) {
    if (key == name) return &value;
  }
  return nullptr;
}

JinjaValue JinjaValue::FromJson(const OrderedJson& json) {
  if (json.is_string()) return String(json.get<std::string>());
  if (json.is_boolean()) return Bool(json.get<bool>());
  if (json.is_number_unsigned() &&
      json.get<uint64_t>() > static_cast<uint64_t>(INT64_MAX)) {
    return JinjaValue(json.get<double>());
  }
  if (json.is_number_integer()) return Int(json.get<int64_t>());
  if (json.is_number()) return JinjaValue(json.get<double>());
  if (json.is_array()) {
    JinjaList items;
    for (const OrderedJson& item : json) items.push_back(FromJson(item));
    return List(std::move(items));
  }
  if (json.is_object()) {
    JinjaDict fields;
    for (const auto& [key, value] : json.items()) {
      fields.emplace_back(key, FromJson(value));
    }
    return Dict(std::move(fields));
  }
  return JinjaValue(None{});
}

void JinjaValue::Enclose(const JinjaValue& inner) {
  depth_ = std::max(depth_, inner.depth_ + 1);
  if (depth_ > kDeepest) FailJinja("values nested deeper than 100");
  holds_namespace_ = holds_namespace_ || inner.holds_namespace_;
}

JinjaValue JinjaValue::List(JinjaList items) {
  JinjaValue out;
  for (const JinjaValue& item : items) out.Enclose(item);
  out.value_ = std::make_shared<JinjaList>(std::move(items));
  return out;
}

JinjaValue JinjaValue::TupleOf(JinjaList items) {
  JinjaValue out;
  for (const JinjaValue& item : items) out.Enclose(item);
  out.value_ = Tuple{std::make_shared<JinjaList>(std::move(items))};
  return out;
}

JinjaValue JinjaValue::Dict(JinjaDict fields) {
  JinjaValue out;
  for (const auto& field : fields) out.Enclose(field.second);
  out.value_ = std::make_shared<JinjaDict>(std::move(fields));
  return out;
}

JinjaValue JinjaValue::NamespaceOf(JinjaDict fields) {
  JinjaValue out;
  for (const auto& field : fields) out.Enclose(field.second);
  if (out.holds_namespace_) FailJinja("a namespace within a namespace");
  out.value_ = Namespace{std::make_shared<JinjaDict>(std::move(fields))};
  out.holds_namespace_ = true;
  return out;
}

const std::string& JinjaValue::string() const {
  if (!is_string()) FailJinja("found " + TypeName() + ", expected a string");
  return std::get<std::string>(value_);
}

int64_t JinjaValue::integer() const {
  if (Is<bool>()) return std::get<bool>(value_) ? 1 : 0;
  if (!Is<int64_t>()) {
    FailJinja("found " + TypeName() + ", expected an integer");
  }
  return std::get<int64_t>(value_);
}

double JinjaValue::number() const {
  if (Is<double>()) return std::get<double>(value_);
  return static_cast<double>(integer());
}

const JinjaList* JinjaValue::list() const {
  if (Is<Tuple>()) return std::get<Tuple>(value_).items.get();
  const auto* list = std::get_if<std::shared_ptr<JinjaList>>(&value_);
  return list ? list->get() : nullptr;
}

const JinjaDict* JinjaValue::dict() const {
  const auto* dict = std::get_if<std::shared_ptr<JinjaDict>>(&value_);
  return dict ? dict->get() : nullptr;
}

JinjaDict* JinjaValue::namespace_fields() const {
  const auto* space = std::get_if<Namespace>(&value_);
  return space ? space->fields.get() : nullptr;
}

const JinjaFunction* JinjaValue::function() const {
  const auto* function = std::get_if<std::shared_ptr<JinjaFunction>>(&value_);
  return function ? function->get() : nullptr;
}

bool JinjaValue::Truth() const {
  if (undefined() || none()) return false;
  if (is_string()) return !string().empty();
  if (is_number()) return number() != 0;
  if (const JinjaList* items = list()) return !items->empty();
  if (const JinjaDict* fields = dict()) return !fields->empty();
  return true;
}

std::string JinjaValue::Str() const {
  if (undefined()) return "";
  if (none()) return "None";
  if (is_string()) return string();
  if (Is<bool>()) return Truth() ? "True" : "False";
  if (Is<int64_t>()) return std::to_string(integer());
  if (Is<double>()) return FloatText(number());
  return Repr();
}

std::string JinjaValue::Repr() const { return ram::Repr(*this, 0); }

std::string JinjaValue::ToJson(int indent) const {
  std::string out;
  AppendJson(*this, indent, 0, out);
  return out;
}

std::string JinjaValue::TypeName() const {
  if (undefined()) {
    const std::string& name = std::get<Undefined>(value_).name;
    return name.empty() ? "an undefined value" : "'" + name + "', undefined";
  }
  if (none()) return "None";
  if (Is<bool>()) return "bool";
  if (Is<int64_t>()) return "int";
  if (Is<double>()) return "float";
  if (is_string()) return "str";
  if (Is<Tuple>()) return "tuple";
  if (list()) return "list";
  if (dict()) return "dict";
  return function() ? "function" : "namespace";
}

JinjaList JinjaValue::Items() const {
  if (const JinjaList* items = list()) return *items;
  JinjaList out;
  if (const JinjaDict* fields = dict()) {
    for (const auto& field : *fields) out.push_back(String(field.first));
    return out;
  }
  if (is_string()) {
    if (string().size() > (size_t{1} << 20)) {
      FailJinja("the characters of more than 1 MiB of text");
    }
    for (const std::string_view point : JinjaCodePoints(string())) {
      out.push_back(String(std::string(point)));
    }
    return out;
  }
  if (!undefined()) FailJinja(TypeName() + " is not iterable");
  return out;
}

bool JinjaValue::Equal(const JinjaValue& a, const JinjaValue& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() == b.integer();
    return a.number() == b.number();
  }
  if (a.is_string() && b.is_string()) return a.string() == b.string();
  if (a.none() || b.none()) return a.none() && b.none();
  if (a.undefined() || b.undefined()) return a.undefined() && b.undefined();
  if (a.list() && b.list()) {
    return a.Is<Tuple>() == b.Is<Tuple>() &&
           std::equal(a.list()->begin(), a.list()->end(), b.list()->begin(),
                      b.list()->end(), Equal);
  }
  if (a.dict() && b.dict()) {
    if (a.dict()->size() != b.dict()->size()) return false;
    return std::all_of(a.dict()->begin(), a.dict()->end(),
                       [&](const auto& field) {
                         const auto* other = FindField(*b.dict(), field.first);
                         return other && Equal(field.second, *other);
                       });
  }
  return false;
}

bool JinjaValue::Less(const JinjaValue& a, const JinjaValue& b) {
  if (a.is_number() && b.is_number()) {
    if (a.is_integer() && b.is_integer()) return a.integer() < b.integer();
    return a.number() < b.number();
  }
  // Bytes of UTF-8 are in the order of code points.
  if (a.is_string() && b.is_string()) return a.string() < b.string();
  if (a.list() && b.list()) {
    return std::lexicographical_compare(a.list()->begin(), a.list()->end(),
                                        b.list()->begin(), b.list()->end(),
                                        Less);
  }
  FailJinja("cannot order " + a.TypeName() + " and " + b.TypeName());
}

bool JinjaValue::Contains(const JinjaValue& item) const {
  if (is_string()) return string().find(item.string()) != std::string::npos;
  if (const JinjaDict* fields = dict()) {
    return item.is_string() && FindField(*fields, item.string()) != nullptr;
  }
  if (const JinjaList* items = list()) {
    return std::any_of(items->begin(), items->end(),
                       [&](const auto& value) { return Equal(value, item); });
  }
  if (!undefined()) FailJinja("nothing is in " + TypeName());
  return false;
}

std::vector<std::string_view> JinjaCodePoints(std::string_view text) {
  std::vector<std::string_view> out;
  for (size_t i = 0; i < text.size();) {
    size_t end = i + 1;
    const bool lead = static_cast<unsigned char>(text[i]) >= 0xC0;
    while (lead && end < text.size() &&
           (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80) {
      ++end;
    }
    out.push_back(text.substr(i, end - i));
    i = end;
  }
  return out;
}

}  // namespace ram
