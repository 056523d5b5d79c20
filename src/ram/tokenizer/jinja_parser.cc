#include "ram/tokenizer/jinja_parser.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/jinja_expressions.h"

namespace ram {
namespace {

class Parser : private JinjaExpressions {
 public:
  explicit Parser(std::string_view source) : JinjaExpressions(source) {}

  JinjaNodePtr Run() {
    JinjaNodePtr body = Body({});
    if (Peek().token != JinjaToken::kEnd) Wrong("the end");
    return body;
  }

 private:
  // Up to a block that begins with one of `ends`, which is not taken.
  JinjaNodePtr Body(std::initializer_list<std::string_view> ends) {
    const Level level(*this);
    JinjaNodePtr body = Node(Kind::kBody);
    for (;;) {
      switch (Peek().token) {
        case JinjaToken::kText:
          body->children.push_back(Node(Kind::kText));
          body->children.back()->text = Take().text;
          break;
        case JinjaToken::kPrintBegin:
          Take();
          body->children.push_back(Node(Kind::kPrint, TupleOrExpression()));
          if (Peek().token != JinjaToken::kPrintEnd) Wrong("'}}'");
          Take();
          break;
        case JinjaToken::kBlockBegin:
          if (std::find(ends.begin(), ends.end(), Peek(1).text) != ends.end()) {
            return body;
          }
          Take();
          Statement(*body);
          break;
        default:
          if (ends.size() != 0) Wrong(fmt::format("'{}'", *ends.begin()));
          return body;
      }
    }
  }
  // Takes the block that Body stopped at if it begins with `name`.
  bool TakeBlock(std::string_view name) {
    if (!Is(JinjaToken::kName, name, 1)) return false;
    Take();
    Take();
    return true;
  }

  void Statement(JinjaNode& body) {
    const int line = Peek().line;
    const std::string name = ExpectName();
    JinjaNodePtr node;
    if (name == "for") {
      node = For();
    } else if (name == "if") {
      node = If();
    } else if (name == "set") {
      node = Set();
    } else if (name == "macro") {
      node = Macro();
    } else if (name == "break" || name == "continue") {
      node = Node(name == "break" ? Kind::kBreak : Kind::kContinue);
      if (loops_ == 0) Wrong("a loop around 'break' or 'continue'");
      EndBlock();
    } else if (name == "generation") {
      // transformers marks what the assistant said; nothing is printed.
      EndBlock();
      node = Body({"endgeneration"});
      TakeBlock("endgeneration");
      EndBlock();
    } else {
      Fail(ErrorKind::kUnsupported,
           "line {}: the statement '{}' is not supported", line, name);
    }
    body.children.push_back(std::move(node));
  }

  std::vector<std::string> Targets() {
    std::vector<std::string> names;
    const bool brackets = TakeOperator("(");
    do {
      names.push_back(ExpectName());
    } while (TakeOperator(","));
    if (brackets) Expect(")");
    return names;
  }

  JinjaNodePtr For() {
    JinjaNodePtr node = Node(Kind::kFor);
    node->names = Targets();
    if (!TakeName("in")) Wrong("'in'");
    // An "if" behind it is the loop's, not a condition's.
    node->children.push_back(Or());
    node->children.push_back(TakeName("if") ? Expression() : nullptr);
    if (IsName("recursive")) {
      Fail(ErrorKind::kUnsupported,
           "line {}: recursive loops are not supported", node->line);
    }
    EndBlock();
    ++loops_;
    node->children.push_back(Body({"endfor", "else"}));
    --loops_;
    JinjaNodePtr otherwise;
    if (TakeBlock("else")) {
      EndBlock();
      otherwise = Body({"endfor"});
    }
    TakeBlock("endfor");
    EndBlock();
    node->children.push_back(std::move(otherwise));
    return node;
  }

  JinjaNodePtr If() {
    const Level level(*this);
    JinjaNodePtr node = Node(Kind::kIf);
    node->children.push_back(Expression());
    EndBlock();
    node->children.push_back(Body({"endif", "elif", "else"}));
    if (TakeBlock("elif")) {
      node->children.push_back(If());
      return node;
    }
    JinjaNodePtr otherwise;
    if (TakeBlock("else")) {
      EndBlock();
      otherwise = Body({"endif"});
    }
    node->children.push_back(std::move(otherwise));
    TakeBlock("endif");
    EndBlock();
    return node;
  }

  JinjaNodePtr Set() {
    JinjaNodePtr node = Node(Kind::kSet);
    node->names = Targets();
    if (node->names.size() == 1 && TakeOperator(".")) {
      node->text = ExpectName();
    }
    if (TakeOperator("=")) {
      node->children.push_back(TupleOrExpression());
      EndBlock();
      return node;
    }
    if (IsOperator("|")) {
      Fail(ErrorKind::kUnsupported,
           "line {}: set blocks with filters are not supported", node->line);
    }
    node->kind = Kind::kSetBlock;
    EndBlock();
    node->children.push_back(Body({"endset"}));
    TakeBlock("endset");
    EndBlock();
    return node;
  }

  JinjaNodePtr Macro() {
    JinjaNodePtr node = Node(Kind::kMacro);
    node->text = ExpectName();
    node->children.push_back(nullptr);
    Expect("(");
    while (!TakeOperator(")")) {
      if (!node->names.empty()) Expect(",");
      node->names.push_back(ExpectName());
      node->children.push_back(TakeOperator("=") ? Expression() : nullptr);
    }
    EndBlock();
    const int loops = std::exchange(loops_, 0);
    node->children[0] = Body({"endmacro"});
    loops_ = loops;
    TakeBlock("endmacro");
    if (Peek().token == JinjaToken::kName) Take();
    EndBlock();
    return node;
  }

  void EndBlock() {
    if (Peek().token != JinjaToken::kBlockEnd) Wrong("'%}'");
    Take();
  }

  int loops_ = 0;
};

}  // namespace

JinjaTemplate ParseJinja(std::string_view source) {
  return {Parser(source).Run()};
}

}  // namespace ram
