#include "ram/tokenizer/jinja_interpreter.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/jinja_functions.h"
#include "ram/tokenizer/jinja_operators.h"

namespace ram {
namespace {

using Kind = JinjaNode::Kind;

constexpr uint64_t kMaxSteps = 1'000'000;
constexpr int kMaxCalls = 32;

// What names stand for; a loop's turn and a macro's call have their own.
struct Scope {
  explicit Scope(const std::shared_ptr<Scope>& outside) : outer(outside) {}
  std::map<std::string, JinjaValue> names;
  std::shared_ptr<Scope> outer;
};
using ScopePtr = std::shared_ptr<Scope>;

enum class Flow : uint8_t { kNext, kBreak, kContinue };

class Interpreter {
 public:
  explicit Interpreter(const JinjaDict& variables)
      : scope_(std::make_shared<Scope>(nullptr)) {
    for (const auto& [name, value] : variables) scope_->names[name] = value;
  }

  std::string Run(const JinjaNode& body) {
    std::string out;
    Execute(body, out);
    return out;
  }

 private:
  // Puts the line before a message, once.
  template <typename Body>
  auto AtLine(const JinjaNode& node, const Body& body) {
    try {
      return body();
    } catch (const Error& error) {
      if (std::string_view(error.what()).starts_with("line ")) throw;
      throw Error(error.kind(),
                  fmt::format("line {}: {}", node.line, error.what()));
    }
  }

  void Step() {
    if (++steps_ > kMaxSteps) FailJinja("more than a million steps");
  }
  // Long values are many steps.
  JinjaValue Charged(JinjaValue value) {
    if (value.is_string()) steps_ += value.string().size() / 64;
    if (const JinjaList* items = value.list()) steps_ += items->size();
    Step();
    return value;
  }
  static void CheckSize(const std::string& out) {
    if (out.size() > kMaxJinjaText) FailJinja("more than 16 MiB of text");
  }

  // --- statements ---

  Flow Execute(const JinjaNode& node, std::string& out) {
    return AtLine(node, [&] { return ExecuteHere(node, out); });
  }

  Flow ExecuteHere(const JinjaNode& node, std::string& out) {
    Step();
    switch (node.kind) {
      case Kind::kBody:
        for (const JinjaNodePtr& child : node.children) {
          const Flow flow = Execute(*child, out);
          if (flow != Flow::kNext) return flow;
        }
        return Flow::kNext;
      case Kind::kText:
        out += node.text;
        break;
      case Kind::kPrint:
        out += Evaluate(*node.children[0]).Str();
        break;
      case Kind::kFor:
        For(node, out);
        break;
      case Kind::kIf:
        if (Evaluate(*node.children[0]).Truth()) {
          return Execute(*node.children[1], out);
        }
        return node.children[2] ? Execute(*node.children[2], out) : Flow::kNext;
      case Kind::kSet:
        Set(node, Evaluate(*node.children[0]));
        break;
      case Kind::kSetBlock: {
        std::string text;
        Execute(*node.children[0], text);
        Set(node, JinjaValue::String(std::move(text)));
        break;
      }
      case Kind::kMacro:
        Define(node);
        break;
      case Kind::kBreak:
        return Flow::kBreak;
      case Kind::kContinue:
        return Flow::kContinue;
      default:
        break;
    }
    CheckSize(out);
    return Flow::kNext;
  }

  void Assign(const std::vector<std::string>& names, const JinjaValue& value) {
    if (names.size() == 1) {
      scope_->names[names[0]] = value;
      return;
    }
    const JinjaList items = value.Items();
    if (items.size() != names.size()) {
      FailJinja(fmt::format("found {} values, expected {}", items.size(),
                            names.size()));
    }
    for (size_t i = 0; i < names.size(); ++i)
      scope_->names[names[i]] = items[i];
  }

  void Set(const JinjaNode& node, const JinjaValue& value) {
    if (node.text.empty()) return Assign(node.names, value);
    JinjaDict* fields = Lookup(node.names[0]).namespace_fields();
    if (!fields) FailJinja("'" + node.names[0] + "': expected a namespace");
    if (value.holds_namespace()) FailJinja("a namespace within a namespace");
    for (auto& [name, old] : *fields) {
      if (name == node.text) {
        old = value;
        return;
      }
    }
    fields->emplace_back(node.text, value);
  }

  void For(const JinjaNode& node, std::string& out) {
    JinjaList items = Evaluate(*node.children[0]).Items();
    const ScopePtr outside = scope_;
    if (node.children[1]) {
      JinjaList kept;
      for (const JinjaValue& item : items) {
        scope_ = std::make_shared<Scope>(outside);
        Assign(node.names, item);
        if (Evaluate(*node.children[1]).Truth()) kept.push_back(item);
      }
      items = std::move(kept);
    }
    for (size_t i = 0; i < items.size(); ++i) {
      Step();
      scope_ = std::make_shared<Scope>(outside);
      scope_->names["loop"] = LoopOf(items, i);
      Assign(node.names, items[i]);
      if (Execute(*node.children[2], out) == Flow::kBreak) break;
    }
    scope_ = outside;
    if (items.empty() && node.children[3]) {
      scope_ = std::make_shared<Scope>(outside);
      Execute(*node.children[3], out);
      scope_ = outside;
    }
  }

  static JinjaValue LoopOf(const JinjaList& items, size_t i) {
    const auto number = [](size_t n) {
      return JinjaValue::Int(static_cast<int64_t>(n));
    };
    JinjaDict fields = {
        {"index", number(i + 1)},
        {"index0", number(i)},
        {"revindex", number(items.size() - i)},
        {"revindex0", number(items.size() - i - 1)},
        {"first", JinjaValue::Bool(i == 0)},
        {"last", JinjaValue::Bool(i + 1 == items.size())},
        {"length", number(items.size())},
    };
    if (i > 0) fields.emplace_back("previtem", items[i - 1]);
    if (i + 1 < items.size()) fields.emplace_back("nextitem", items[i + 1]);
    return JinjaValue::Dict(std::move(fields));
  }

  void Define(const JinjaNode& node) {
    // A macro must not keep alive the scope that keeps it.
    scope_->names[node.text] =
        JinjaValue::Function([this, &node, weak = std::weak_ptr<Scope>(scope_)](
                                 const JinjaArguments& arguments) {
          return Call(node, weak.lock(), arguments);
        });
  }

  JinjaValue Call(const JinjaNode& macro, const ScopePtr& home,
                  const JinjaArguments& arguments) {
    if (!home) FailJinja("a macro outside of where it was defined");
    if (++calls_ > kMaxCalls) FailJinja("macros within macros: 32 at most");
    if (arguments.positional.size() > macro.names.size()) {
      FailJinja(fmt::format("macro '{}': found {} arguments, expected {}",
                            macro.text, arguments.positional.size(),
                            macro.names.size()));
    }
    for (const auto& keyword : arguments.keywords) {
      if (std::find(macro.names.begin(), macro.names.end(), keyword.first) ==
          macro.names.end()) {
        FailJinja(
            fmt::format("macro '{}' has no '{}'", macro.text, keyword.first));
      }
    }
    const ScopePtr caller =
        std::exchange(scope_, std::make_shared<Scope>(home));
    for (size_t i = 0; i < macro.names.size(); ++i) {
      const JinjaValue* given = arguments.Find(i, macro.names[i]);
      const JinjaNodePtr& otherwise = macro.children[i + 1];
      scope_->names[macro.names[i]] =
          given       ? *given
          : otherwise ? Evaluate(*otherwise)
                      : JinjaValue::MissingName(macro.names[i]);
    }
    std::string out;
    Execute(*macro.children[0], out);
    scope_ = caller;
    --calls_;
    return JinjaValue::String(std::move(out));
  }

  // --- expressions ---

  JinjaValue Lookup(const std::string& name) const {
    for (const Scope* scope = scope_.get(); scope; scope = scope->outer.get()) {
      const auto found = scope->names.find(name);
      if (found != scope->names.end()) return found->second;
    }
    return FindJinjaFunction(name);
  }

  JinjaArguments Arguments(const JinjaNode& node) {
    JinjaArguments out;
    const size_t keywords = node.children.size() - node.names.size();
    for (size_t i = 1; i < node.children.size(); ++i) {
      JinjaValue value = Evaluate(*node.children[i]);
      if (i < keywords) {
        out.positional.push_back(std::move(value));
      } else {
        out.keywords.emplace_back(node.names[i - keywords], std::move(value));
      }
    }
    return out;
  }

  JinjaList EvaluateAll(const JinjaNode& node) {
    JinjaList out;
    for (const JinjaNodePtr& child : node.children) {
      out.push_back(Evaluate(*child));
    }
    return out;
  }

  JinjaValue Evaluate(const JinjaNode& node) {
    Step();
    switch (node.kind) {
      case Kind::kLiteral:
        return node.value;
      case Kind::kName:
        return Lookup(node.text);
      case Kind::kList:
        return JinjaValue::List(EvaluateAll(node));
      case Kind::kTuple:
        return JinjaValue::TupleOf(EvaluateAll(node));
      case Kind::kDict:
        return Dict(node);
      case Kind::kAttribute:
        return Attribute(node);
      case Kind::kSubscript:
        return Subscript(node);
      case Kind::kSlice:
        return Slice(node);
      case Kind::kCall:
        return CallValue(node);
      case Kind::kFilter: {
        const JinjaValue input = Evaluate(*node.children[0]);
        return AtLine(node, [&] {
          return Charged(ApplyJinjaFilter(node.text, input, Arguments(node)));
        });
      }
      case Kind::kTest: {
        const JinjaValue input = Evaluate(*node.children[0]);
        return AtLine(node, [&] {
          return JinjaValue::Bool(
              ApplyJinjaTest(node.text, input, Arguments(node)) != node.flag);
        });
      }
      case Kind::kNegate:
        return JinjaArithmetic("-", JinjaValue::Int(0),
                               Evaluate(*node.children[0]));
      case Kind::kPlus:
        return JinjaArithmetic("+", JinjaValue::Int(0),
                               Evaluate(*node.children[0]));
      case Kind::kNot:
        return JinjaValue::Bool(!Evaluate(*node.children[0]).Truth());
      case Kind::kAnd: {
        JinjaValue left = Evaluate(*node.children[0]);
        return left.Truth() ? Evaluate(*node.children[1]) : left;
      }
      case Kind::kOr: {
        JinjaValue left = Evaluate(*node.children[0]);
        return left.Truth() ? left : Evaluate(*node.children[1]);
      }
      case Kind::kBinary: {
        const JinjaValue left = Evaluate(*node.children[0]);
        const JinjaValue right = Evaluate(*node.children[1]);
        return AtLine(node, [&] {
          return Charged(JinjaArithmetic(node.text, left, right));
        });
      }
      case Kind::kCompare:
        return CompareChain(node);
      case Kind::kCondition:
        if (Evaluate(*node.children[1]).Truth()) {
          return Evaluate(*node.children[0]);
        }
        return node.children[2] ? Evaluate(*node.children[2]) : JinjaValue();
      default:
        return {};
    }
  }

  JinjaValue Dict(const JinjaNode& node) {
    JinjaDict fields;
    for (size_t i = 0; i < node.children.size(); i += 2) {
      const JinjaValue key = Evaluate(*node.children[i]);
      if (!key.is_string()) {
        throw Error(ErrorKind::kUnsupported,
                    "keys that are not text are not supported");
      }
      fields.emplace_back(key.string(), Evaluate(*node.children[i + 1]));
    }
    return JinjaValue::Dict(std::move(fields));
  }

  JinjaValue Attribute(const JinjaNode& node) {
    const JinjaValue object = Evaluate(*node.children[0]);
    return AtLine(node, [&] {
      // As Jinja2: x.name is a method first, x["name"] an item.
      const JinjaValue method = FindJinjaMethod(object, node.text);
      return method.undefined() ? GetJinjaField(object, node.text) : method;
    });
  }

  JinjaValue Subscript(const JinjaNode& node) {
    const JinjaValue object = Evaluate(*node.children[0]);
    const JinjaValue key = Evaluate(*node.children[1]);
    return AtLine(node, [&]() -> JinjaValue {
      if (key.is_string()) {
        const JinjaValue field = GetJinjaField(object, key.string());
        return field.undefined() ? FindJinjaMethod(object, key.string())
                                 : field;
      }
      if (object.dict() || !(object.list() || object.is_string())) {
        if (object.undefined()) FailJinja(object.TypeName());
        return {};
      }
      const JinjaList items = object.Items();
      const auto size = static_cast<int64_t>(items.size());
      int64_t i = key.integer();
      if (i < 0) i += size;
      return i < 0 || i >= size ? JinjaValue() : items[static_cast<size_t>(i)];
    });
  }

  JinjaValue Slice(const JinjaNode& node) {
    const JinjaValue object = Evaluate(*node.children[0]);
    std::optional<int64_t> bounds[3];
    for (size_t i = 0; i < 3; ++i) {
      if (!node.children[i + 1]) continue;
      const JinjaValue value = Evaluate(*node.children[i + 1]);
      if (!value.none()) bounds[i] = value.integer();
    }
    if (object.dict()) FailJinja("a slice of a dictionary");
    const JinjaList items = object.Items();
    JinjaList out;
    std::string text;
    for (const size_t place : JinjaSlicePlaces(
             items.size(), bounds[0], bounds[1], bounds[2].value_or(1))) {
      if (object.is_string()) text += items[place].string();
      out.push_back(items[place]);
    }
    return object.is_string() ? JinjaValue::String(std::move(text))
                              : JinjaValue::List(std::move(out));
  }

  JinjaValue CallValue(const JinjaNode& node) {
    const JinjaValue callee = Evaluate(*node.children[0]);
    return AtLine(node, [&] {
      const JinjaFunction* function = callee.function();
      if (!function) {
        const std::string& name = node.children[0]->text;
        Fail(ErrorKind::kUnsupported, "the function '{}' is not supported",
             name);
      }
      return Charged((*function)(Arguments(node)));
    });
  }

  JinjaValue CompareChain(const JinjaNode& node) {
    JinjaValue left = Evaluate(*node.children[0]);
    for (size_t i = 0; i < node.names.size(); ++i) {
      JinjaValue right = Evaluate(*node.children[i + 1]);
      const bool holds = AtLine(
          node, [&] { return CompareJinja(node.names[i], left, right); });
      if (!holds) return JinjaValue::Bool(false);
      left = std::move(right);
    }
    return JinjaValue::Bool(true);
  }

  ScopePtr scope_;
  uint64_t steps_ = 0;
  int calls_ = 0;
};

}  // namespace

std::string RunJinja(const JinjaTemplate& parsed, const JinjaDict& variables) {
  return Interpreter(variables).Run(*parsed.body);
}

}  // namespace ram
