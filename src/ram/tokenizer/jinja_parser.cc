#include "ram/tokenizer/jinja_parser.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <initializer_list>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/jinja_lexer.h"

namespace ram {
namespace {

using Kind = JinjaNode::Kind;

constexpr int kMaxDepth = 128;
// Operators, or dots and brackets, one after the other: a + b + c.
constexpr int kMaxChain = 64;

class Parser {
 public:
  explicit Parser(std::string_view source) : pieces_(CutJinja(source)) {}

  JinjaNodePtr Run() {
    JinjaNodePtr body = Body({});
    if (Peek().token != JinjaToken::kEnd) Wrong("the end");
    return body;
  }

 private:
  // One level of nesting, for as long as it lives.
  struct Level {
    explicit Level(Parser& parser) : depth(parser.depth_) {
      if (++depth > kMaxDepth) {
        Fail(ErrorKind::kUnsupported, "line {}: nested deeper than {}",
             parser.Peek().line, kMaxDepth);
      }
    }
    ~Level() { --depth; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;
    int& depth;
  };

  const JinjaPiece& Peek(size_t ahead = 0) const {
    return pieces_[std::min(at_ + ahead, pieces_.size() - 1)];
  }
  const JinjaPiece& Take() {
    const JinjaPiece& piece = Peek();
    if (at_ + 1 < pieces_.size()) ++at_;
    return piece;
  }
  bool Is(JinjaToken token, std::string_view text, size_t ahead = 0) const {
    return Peek(ahead).token == token && Peek(ahead).text == text;
  }
  bool IsOperator(std::string_view text) const {
    return Is(JinjaToken::kOperator, text);
  }
  bool IsName(std::string_view text) const {
    return Is(JinjaToken::kName, text);
  }
  bool TakeOperator(std::string_view text) {
    if (!IsOperator(text)) return false;
    Take();
    return true;
  }
  bool TakeName(std::string_view text) {
    if (!IsName(text)) return false;
    Take();
    return true;
  }
  [[noreturn]] void Wrong(std::string_view expected) const {
    const JinjaPiece& piece = Peek();
    std::string found = "'" + piece.text + "'";
    if (piece.token == JinjaToken::kEnd) found = "the end";
    if (piece.token == JinjaToken::kBlockEnd) found = "'%}'";
    if (piece.token == JinjaToken::kPrintEnd) found = "'}}'";
    if (piece.token == JinjaToken::kBlockBegin) found = "'{%'";
    if (piece.token == JinjaToken::kPrintBegin) found = "'{{'";
    Fail(ErrorKind::kCorrupt, "line {}: found {}, expected {}", piece.line,
         found, expected);
  }
  void Expect(std::string_view text) {
    if (!TakeOperator(text)) Wrong(fmt::format("'{}'", text));
  }
  std::string ExpectName() {
    if (Peek().token != JinjaToken::kName) Wrong("a name");
    return Take().text;
  }
  void EndBlock() {
    if (Peek().token != JinjaToken::kBlockEnd) Wrong("'%}'");
    Take();
  }
  JinjaNodePtr Node(Kind kind) const {
    auto node = std::make_unique<JinjaNode>();
    node->kind = kind;
    node->line = Peek().line;
    return node;
  }
  JinjaNodePtr Node(Kind kind, JinjaNodePtr first) const {
    JinjaNodePtr node = Node(kind);
    node->line = first->line;
    node->chain = first->chain + 1;
    if (node->chain > kMaxChain) {
      Fail(ErrorKind::kUnsupported, "line {}: more than {} operators in a row",
           node->line, kMaxChain);
    }
    node->children.push_back(std::move(first));
    return node;
  }

  // --- statements ---

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

  // --- expressions, from loose to tight ---

  JinjaNodePtr TupleOrExpression() {
    JinjaNodePtr first = Expression();
    if (!IsOperator(",")) return first;
    JinjaNodePtr tuple = Node(Kind::kTuple, std::move(first));
    while (TakeOperator(",")) {
      if (Peek().token == JinjaToken::kBlockEnd ||
          Peek().token == JinjaToken::kPrintEnd || IsOperator(")")) {
        break;
      }
      tuple->children.push_back(Expression());
    }
    return tuple;
  }

  JinjaNodePtr Expression() {
    const Level level(*this);
    JinjaNodePtr value = Or();
    while (TakeName("if")) {
      JinjaNodePtr node = Node(Kind::kCondition, std::move(value));
      node->children.push_back(Or());
      node->children.push_back(TakeName("else") ? Expression() : nullptr);
      value = std::move(node);
    }
    return value;
  }

  JinjaNodePtr Or() {
    JinjaNodePtr left = And();
    while (TakeName("or")) {
      left = Node(Kind::kOr, std::move(left));
      left->children.push_back(And());
    }
    return left;
  }

  JinjaNodePtr And() {
    JinjaNodePtr left = Not();
    while (TakeName("and")) {
      left = Node(Kind::kAnd, std::move(left));
      left->children.push_back(Not());
    }
    return left;
  }

  JinjaNodePtr Not() {
    const Level level(*this);
    if (TakeName("not")) return Node(Kind::kNot, Not());
    return Compare();
  }

  JinjaNodePtr Compare() {
    JinjaNodePtr first = Sum();
    JinjaNodePtr compare;
    for (;;) {
      std::string name;
      for (const std::string_view text : {"==", "!=", "<=", ">=", "<", ">"}) {
        if (name.empty() && TakeOperator(text)) name = text;
      }
      if (name.empty() && TakeName("in")) name = "in";
      if (name.empty() && IsName("not") && Is(JinjaToken::kName, "in", 1)) {
        Take();
        Take();
        name = "not in";
      }
      if (name.empty()) break;
      if (!compare) compare = Node(Kind::kCompare, std::move(first));
      compare->names.push_back(name);
      compare->children.push_back(Sum());
    }
    return compare ? std::move(compare) : std::move(first);
  }

  using Rule = JinjaNodePtr (Parser::*)();
  JinjaNodePtr LeftToRight(std::initializer_list<std::string_view> operators,
                           Rule operand) {
    JinjaNodePtr left = (this->*operand)();
    for (;;) {
      const auto found =
          std::find_if(operators.begin(), operators.end(),
                       [&](std::string_view text) { return IsOperator(text); });
      if (found == operators.end()) return left;
      left = Node(Kind::kBinary, std::move(left));
      left->text = Take().text;
      left->children.push_back((this->*operand)());
    }
  }
  JinjaNodePtr Sum() { return LeftToRight({"+", "-"}, &Parser::Concatenation); }
  JinjaNodePtr Concatenation() { return LeftToRight({"~"}, &Parser::Product); }
  JinjaNodePtr Product() {
    return LeftToRight({"*", "/", "//", "%"}, &Parser::Unary);
  }

  // With filters and tests, which the sign binds less than: -1|abs is 1.
  JinjaNodePtr Unary() {
    JinjaNodePtr node = Signed();
    for (;;) {
      if (TakeOperator("|")) {
        node = Filter(std::move(node));
      } else if (IsName("is")) {
        node = Test(std::move(node));
      } else {
        return node;
      }
    }
  }
  JinjaNodePtr Signed() {
    const Level level(*this);
    if (TakeOperator("-")) return Node(Kind::kNegate, Signed());
    if (TakeOperator("+")) return Node(Kind::kPlus, Signed());
    if (IsOperator("**")) Wrong("a value");
    JinjaNodePtr node = Postfix(Primary());
    if (IsOperator("**")) {
      Fail(ErrorKind::kUnsupported, "line {}: '**' is not supported",
           node->line);
    }
    return node;
  }

  JinjaNodePtr Primary() {
    JinjaNodePtr node = Node(Kind::kLiteral);
    const JinjaPiece& piece = Peek();
    switch (piece.token) {
      case JinjaToken::kName:
        return Name();
      case JinjaToken::kString: {
        std::string text;
        while (Peek().token == JinjaToken::kString) text += Take().text;
        node->value = JinjaValue::String(std::move(text));
        return node;
      }
      case JinjaToken::kInteger: {
        int64_t value = 0;
        const char* end = piece.text.data() + piece.text.size();
        if (std::from_chars(piece.text.data(), end, value).ptr != end) {
          Wrong("an integer of 64 bits");
        }
        const bool fits =
            std::from_chars(piece.text.data(), end, value).ec == std::errc();
        if (!fits) Wrong("an integer of 64 bits");
        Take();
        node->value = JinjaValue::Int(value);
        return node;
      }
      case JinjaToken::kFloat:
        node->value = JinjaValue(std::strtod(Take().text.c_str(), nullptr));
        return node;
      default:
        break;
    }
    if (TakeOperator("(")) return Brackets();
    if (TakeOperator("[")) {
      node->kind = Kind::kList;
      while (!TakeOperator("]")) {
        if (!node->children.empty()) Expect(",");
        if (TakeOperator("]")) break;
        node->children.push_back(Expression());
      }
      return node;
    }
    if (TakeOperator("{")) {
      node->kind = Kind::kDict;
      while (!TakeOperator("}")) {
        if (!node->children.empty()) Expect(",");
        if (TakeOperator("}")) break;
        node->children.push_back(Expression());
        Expect(":");
        node->children.push_back(Expression());
      }
      return node;
    }
    Wrong("a value");
  }

  JinjaNodePtr Name() {
    JinjaNodePtr node = Node(Kind::kLiteral);
    const std::string name = Take().text;
    if (name == "true" || name == "True") {
      node->value = JinjaValue::Bool(true);
    } else if (name == "false" || name == "False") {
      node->value = JinjaValue::Bool(false);
    } else if (name == "none" || name == "None") {
      node->value = JinjaValue(JinjaValue::None{});
    } else {
      node->kind = Kind::kName;
      node->text = name;
    }
    return node;
  }

  JinjaNodePtr Brackets() {
    if (TakeOperator(")")) return Node(Kind::kTuple);
    JinjaNodePtr node = TupleOrExpression();
    Expect(")");
    return node;
  }

  JinjaNodePtr Postfix(JinjaNodePtr node) {
    for (;;) {
      if (TakeOperator(".")) {
        node = Node(Kind::kAttribute, std::move(node));
        if (Peek().token == JinjaToken::kInteger) {
          Fail(ErrorKind::kUnsupported,
               "line {}: subscripts behind a dot are not supported",
               node->line);
        }
        node->text = ExpectName();
      } else if (TakeOperator("[")) {
        node = Subscript(std::move(node));
      } else if (IsOperator("(")) {
        node = Node(Kind::kCall, std::move(node));
        Arguments(*node);
      } else {
        return node;
      }
    }
  }

  JinjaNodePtr Subscript(JinjaNodePtr object) {
    JinjaNodePtr node = Node(Kind::kSubscript, std::move(object));
    const auto part = [&]() -> JinjaNodePtr {
      return IsOperator(":") || IsOperator("]") ? nullptr : Expression();
    };
    node->children.push_back(part());
    if (!IsOperator(":")) {
      if (!node->children[1]) Wrong("a subscript");
      Expect("]");
      return node;
    }
    node->kind = Kind::kSlice;
    for (int i = 0; i < 2; ++i) {
      node->children.push_back(TakeOperator(":") ? part() : nullptr);
    }
    Expect("]");
    return node;
  }

  void Arguments(JinjaNode& node) {
    Expect("(");
    for (bool first = true; !TakeOperator(")"); first = false) {
      if (!first) Expect(",");
      if (TakeOperator(")")) return;
      if (IsOperator("*") || IsOperator("**")) {
        Fail(ErrorKind::kUnsupported,
             "line {}: unpacked arguments are not supported", node.line);
      }
      if (Peek().token == JinjaToken::kName &&
          Is(JinjaToken::kOperator, "=", 1)) {
        node.names.push_back(Take().text);
        Take();
      } else if (!node.names.empty()) {
        Wrong("a keyword");
      }
      node.children.push_back(Expression());
    }
  }

  JinjaNodePtr Filter(JinjaNodePtr input) {
    JinjaNodePtr node = Node(Kind::kFilter, std::move(input));
    node->text = ExpectName();
    if (IsOperator("(")) Arguments(*node);
    return node;
  }

  JinjaNodePtr Test(JinjaNodePtr input) {
    Take();
    JinjaNodePtr node = Node(Kind::kTest, std::move(input));
    node->flag = TakeName("not");
    node->text = ExpectName();
    if (IsOperator("(")) {
      Arguments(*node);
      return node;
    }
    // One argument without brackets.
    const JinjaToken next = Peek().token;
    const bool name = next == JinjaToken::kName && !IsName("else") &&
                      !IsName("or") && !IsName("and") && !IsName("if") &&
                      !IsName("is") && !IsName("in") && !IsName("not");
    if (name || next == JinjaToken::kString || next == JinjaToken::kInteger ||
        next == JinjaToken::kFloat || IsOperator("[") || IsOperator("{")) {
      node->children.push_back(Postfix(Primary()));
    }
    return node;
  }

  std::vector<JinjaPiece> pieces_;
  size_t at_ = 0;
  int depth_ = 0;
  int loops_ = 0;
};

}  // namespace

JinjaTemplate ParseJinja(std::string_view source) {
  return {Parser(source).Run()};
}

}  // namespace ram
