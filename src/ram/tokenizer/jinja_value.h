// The values of a chat template (chat_template.h): Python's, as far as they
// can be seen from a template.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ram/base/json.h"

namespace ram {

class JinjaValue;

struct JinjaArguments {
  std::vector<JinjaValue> positional;
  std::vector<std::pair<std::string, JinjaValue>> keywords;

  // The argument at a place or under a name; nullptr: not given.
  const JinjaValue* Find(size_t place, std::string_view name) const;
};

using JinjaList = std::vector<JinjaValue>;
// In the order of insertion.
using JinjaDict = std::vector<std::pair<std::string, JinjaValue>>;
using JinjaFunction = std::function<JinjaValue(const JinjaArguments&)>;

class JinjaValue {
 public:
  struct Undefined {
    std::string name;
  };
  struct None {};
  struct Tuple {
    std::shared_ptr<JinjaList> items;
  };
  struct Namespace {
    std::shared_ptr<JinjaDict> fields;
  };

  JinjaValue() : value_(Undefined{}) {}
  template <typename T>
  explicit JinjaValue(T value) : value_(std::move(value)) {}

  static JinjaValue String(std::string text) {
    return JinjaValue(std::move(text));
  }
  static JinjaValue Int(int64_t value) { return JinjaValue(value); }
  static JinjaValue Bool(bool value) { return JinjaValue(value); }
  static JinjaValue MissingName(std::string_view name) {
    return JinjaValue(Undefined{std::string(name)});
  }
  // Throw kCorrupt where values are nested deeper than 100.
  static JinjaValue List(JinjaList items);
  static JinjaValue TupleOf(JinjaList items);
  static JinjaValue Dict(JinjaDict fields);
  // No namespace may hold another one: so there are no cycles.
  static JinjaValue NamespaceOf(JinjaDict fields);
  static JinjaValue Function(JinjaFunction function) {
    return JinjaValue(std::make_shared<JinjaFunction>(std::move(function)));
  }
  static JinjaValue FromJson(const OrderedJson& json);

  template <typename T>
  bool Is() const {
    return std::holds_alternative<T>(value_);
  }
  bool undefined() const { return Is<Undefined>(); }
  bool none() const { return Is<None>(); }
  bool is_string() const { return Is<std::string>(); }
  // True and False are the integers 1 and 0.
  bool is_integer() const { return Is<int64_t>() || Is<bool>(); }
  bool is_number() const { return is_integer() || Is<double>(); }
  bool is_mapping() const { return dict() != nullptr; }

  // Throw kCorrupt for values of other kinds.
  const std::string& string() const;
  int64_t integer() const;
  double number() const;

  // nullptr for values of other kinds.
  const JinjaList* list() const;  // of a list or a tuple
  const JinjaDict* dict() const;  // of a dictionary
  JinjaDict* namespace_fields() const;
  const JinjaFunction* function() const;

  bool Truth() const;
  // Python's str() and repr().
  std::string Str() const;
  std::string Repr() const;
  // json.dumps(ensure_ascii=False); indent < 0: on one line.
  std::string ToJson(int indent) const;
  // "str", "int", "Undefined": for messages.
  std::string TypeName() const;

  // What a for loop goes through. Throws kCorrupt where there is nothing.
  JinjaList Items() const;

  // Python's ==, and <; the latter throws kCorrupt for values of two kinds.
  static bool Equal(const JinjaValue& a, const JinjaValue& b);
  static bool Less(const JinjaValue& a, const JinjaValue& b);
  // Whether `item` is in this list, dictionary or string.
  bool Contains(const JinjaValue& item) const;

  // A namespace is in it, or it is one.
  bool holds_namespace() const { return holds_namespace_; }

 private:
  void Enclose(const JinjaValue& inner);

  using Storage = std::variant<Undefined, None, bool, int64_t, double,
                               std::string, std::shared_ptr<JinjaList>, Tuple,
                               std::shared_ptr<JinjaDict>, Namespace,
                               std::shared_ptr<JinjaFunction>>;
  Storage value_;
  int depth_ = 0;  // of lists, dictionaries and namespaces within each other
  bool holds_namespace_ = false;
};

inline const JinjaValue* FindField(const JinjaDict& dict,
                                   std::string_view key) {
  for (const auto& [name, value] : dict) {
    if (name == key) return &value;
  }
  return nullptr;
}

// Throws kCorrupt; who runs the template adds its name and line.
[[noreturn]] void FailJinja(const std::string& what);

// Whole code points of UTF-8 text; bytes that are none stand for themselves.
std::vector<std::string_view> JinjaCodePoints(std::string_view text);

}  // namespace ram
