#include "ram/tokenizer/jinja_expressions.h"

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <memory>
#include <utility>

namespace ram {
namespace {

constexpr int kMaxDepth = 128;
// Operators, or dots and brackets, one after the other: a + b + c.
constexpr int kMaxChain = 64;

}  // namespace

JinjaExpressions::JinjaExpressions(std::string_view source)
    : pieces_(CutJinja(source)) {}

JinjaExpressions::Level::Level(JinjaExpressions& parser)
    : depth_(parser.depth_) {
  if (++depth_ > kMaxDepth) {
    Fail(ErrorKind::kUnsupported, "line {}: nested deeper than {}",
         parser.Peek().line, kMaxDepth);
  }
}

const JinjaPiece& JinjaExpressions::Peek(size_t ahead) const {
  return pieces_[std::min(at_ + ahead, pieces_.size() - 1)];
}

const JinjaPiece& JinjaExpressions::Take() {
  const JinjaPiece& piece = Peek();
  if (at_ + 1 < pieces_.size()) ++at_;
  return piece;
}

bool JinjaExpressions::TakeOperator(std::string_view text) {
  if (!IsOperator(text)) return false;
  Take();
  return true;
}

bool JinjaExpressions::TakeName(std::string_view text) {
  if (!IsName(text)) return false;
  Take();
  return true;
}

void JinjaExpressions::Expect(std::string_view operator_text) {
  if (!TakeOperator(operator_text)) Wrong(fmt::format("'{}'", operator_text));
}

std::string JinjaExpressions::ExpectName() {
  if (Peek().token != JinjaToken::kName) Wrong("a name");
  return Take().text;
}

void JinjaExpressions::Wrong(std::string_view expected) const {
  const JinjaPiece& piece = Peek();
  std::string found = "'" + piece.text + "'";
  if (piece.token == JinjaToken::kEnd) found = "the end";
  if (piece.token == JinjaToken::kBlockEnd) found = "'%}'";
  if (piece.token == JinjaToken::kPrintEnd) found = "'}}'";
  if (piece.token == JinjaToken::kBlockBegin) found = "'{%'";
  if (piece.token == JinjaToken::kPrintBegin) found = "'{{'";
  Fail(ErrorKind::kCorrupt, "line {}: found {}, expected {}", piece.line, found,
       expected);
}

JinjaNodePtr JinjaExpressions::Node(Kind kind) const {
  auto node = std::make_unique<JinjaNode>();
  node->kind = kind;
  node->line = Peek().line;
  return node;
}

JinjaNodePtr JinjaExpressions::Node(Kind kind, JinjaNodePtr first) const {
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

JinjaNodePtr JinjaExpressions::TupleOrExpression() {
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

JinjaNodePtr JinjaExpressions::Expression() {
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

JinjaNodePtr JinjaExpressions::Or() {
  JinjaNodePtr left = And();
  while (TakeName("or")) {
    left = Node(Kind::kOr, std::move(left));
    left->children.push_back(And());
  }
  return left;
}

JinjaNodePtr JinjaExpressions::And() {
  JinjaNodePtr left = Not();
  while (TakeName("and")) {
    left = Node(Kind::kAnd, std::move(left));
    left->children.push_back(Not());
  }
  return left;
}

JinjaNodePtr JinjaExpressions::Not() {
  const Level level(*this);
  if (TakeName("not")) return Node(Kind::kNot, Not());
  return Compare();
}

JinjaNodePtr JinjaExpressions::Compare() {
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

JinjaNodePtr JinjaExpressions::LeftToRight(
    std::initializer_list<std::string_view> operators, Rule operand) {
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

JinjaNodePtr JinjaExpressions::Sum() {
  return LeftToRight({"+", "-"}, &JinjaExpressions::Concatenation);
}

JinjaNodePtr JinjaExpressions::Concatenation() {
  return LeftToRight({"~"}, &JinjaExpressions::Product);
}

JinjaNodePtr JinjaExpressions::Product() {
  return LeftToRight({"*", "/", "//", "%"}, &JinjaExpressions::Unary);
}

// With filters and tests, which the sign binds less than: -1|abs is 1.
JinjaNodePtr JinjaExpressions::Unary() {
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

JinjaNodePtr JinjaExpressions::Signed() {
  const Level level(*this);
  if (TakeOperator("-")) return Node(Kind::kNegate, Signed());
  if (TakeOperator("+")) return Node(Kind::kPlus, Signed());
  if (IsOperator("**")) Wrong("a value");
  JinjaNodePtr node = Postfix(Primary());
  if (IsOperator("**")) {
    Fail(ErrorKind::kUnsupported, "line {}: '**' is not supported", node->line);
  }
  return node;
}

JinjaNodePtr JinjaExpressions::Primary() {
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

JinjaNodePtr JinjaExpressions::Name() {
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

JinjaNodePtr JinjaExpressions::Brackets() {
  if (TakeOperator(")")) return Node(Kind::kTuple);
  JinjaNodePtr node = TupleOrExpression();
  Expect(")");
  return node;
}

JinjaNodePtr JinjaExpressions::Postfix(JinjaNodePtr node) {
  for (;;) {
    if (TakeOperator(".")) {
      node = Node(Kind::kAttribute, std::move(node));
      if (Peek().token == JinjaToken::kInteger) {
        Fail(ErrorKind::kUnsupported,
             "line {}: subscripts behind a dot are not supported", node->line);
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

JinjaNodePtr JinjaExpressions::Subscript(JinjaNodePtr object) {
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

void JinjaExpressions::Arguments(JinjaNode& node) {
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

JinjaNodePtr JinjaExpressions::Filter(JinjaNodePtr input) {
  JinjaNodePtr node = Node(Kind::kFilter, std::move(input));
  node->text = ExpectName();
  if (IsOperator("(")) Arguments(*node);
  return node;
}

JinjaNodePtr JinjaExpressions::Test(JinjaNodePtr input) {
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

}  // namespace ram
