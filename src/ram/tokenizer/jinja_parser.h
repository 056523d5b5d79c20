// A chat template (chat_template.h) as a tree.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ram/tokenizer/jinja_value.h"

namespace ram {

struct JinjaNode;
using JinjaNodePtr = std::unique_ptr<JinjaNode>;

// What `children` hold is said beside each kind; "?" may be null.
struct JinjaNode {
  enum class Kind : uint8_t {
    // Statements.
    kBody,      // statements
    kText,      // text
    kPrint,     // expression
    kFor,       // iterable, filter?, body, else?; names: what it sets
    kIf,        // condition, body, else?
    kSet,       // value; names: variables, or a namespace and its field (text)
    kSetBlock,  // body; names
    kMacro,     // body, default? of each parameter; text: name; names
    kBreak,
    kContinue,
    // Expressions.
    kLiteral,    // value
    kName,       // text
    kList,       // items
    kTuple,      // items
    kDict,       // key, value, key, value...
    kAttribute,  // object; text
    kSubscript,  // object, key
    kSlice,      // object, start?, stop?, step?
    kCall,       // callee, then arguments
    kFilter,     // input, then arguments; text: name
    kTest,       // input, then arguments; text: name; flag: negated
    kNegate,     // operand
    kPlus,       // operand
    kNot,        // operand
    kAnd,        // left, right
    kOr,         // left, right
    kBinary,     // left, right; text: operator
    kCompare,    // first, then one for each operator in names
    kCondition,  // value, condition, otherwise?
  };
  Kind kind = Kind::kBody;
  int line = 0;
  int chain = 0;  // how many first children are within each other
  bool flag = false;
  std::string text;
  // Of calls, filters and tests: the keywords of the last arguments.
  std::vector<std::string> names;
  JinjaValue value;
  std::vector<JinjaNodePtr> children;
};

struct JinjaTemplate {
  JinjaNodePtr body;
};

// Throws kCorrupt and kUnsupported, "line N: ...".
JinjaTemplate ParseJinja(std::string_view source);

}  // namespace ram
