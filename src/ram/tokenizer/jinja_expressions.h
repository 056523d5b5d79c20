// The expressions of chat templates (chat_template.h): the part of the parser
// that statements are built on.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/error.h"
#include "ram/tokenizer/jinja_lexer.h"
#include "ram/tokenizer/jinja_parser.h"

namespace ram {

class JinjaExpressions {
 public:
  explicit JinjaExpressions(std::string_view source);

  // Each takes what it names, from where the parser stands; throws kCorrupt
  // and kUnsupported, "line N: ...".
  JinjaNodePtr TupleOrExpression();  // "a, b" without brackets, too
  JinjaNodePtr Expression();
  JinjaNodePtr Or();  // all but "a if b else c"

 protected:
  using Kind = JinjaNode::Kind;

  // One level of nesting, for as long as it lives. Throws beyond a depth.
  class Level {
   public:
    explicit Level(JinjaExpressions& parser);
    ~Level() { --depth_; }
    Level(const Level&) = delete;
    Level& operator=(const Level&) = delete;

   private:
    int& depth_;
  };

  const JinjaPiece& Peek(size_t ahead = 0) const;
  const JinjaPiece& Take();
  bool Is(JinjaToken token, std::string_view text, size_t ahead = 0) const {
    return Peek(ahead).token == token && Peek(ahead).text == text;
  }
  bool IsOperator(std::string_view text) const {
    return Is(JinjaToken::kOperator, text);
  }
  bool IsName(std::string_view text) const {
    return Is(JinjaToken::kName, text);
  }
  // Whether the next piece was that, and is taken.
  bool TakeOperator(std::string_view text);
  bool TakeName(std::string_view text);
  // Throws when the next piece is another.
  void Expect(std::string_view operator_text);
  std::string ExpectName();
  [[noreturn]] void Wrong(std::string_view expected) const;

  JinjaNodePtr Node(Kind kind) const;
  JinjaNodePtr Node(Kind kind, JinjaNodePtr first) const;

 private:
  JinjaNodePtr And();
  JinjaNodePtr Not();
  JinjaNodePtr Compare();
  using Rule = JinjaNodePtr (JinjaExpressions::*)();
  JinjaNodePtr LeftToRight(std::initializer_list<std::string_view> operators,
                           Rule operand);
  JinjaNodePtr Sum();
  JinjaNodePtr Concatenation();
  JinjaNodePtr Product();
  JinjaNodePtr Unary();
  JinjaNodePtr Signed();
  JinjaNodePtr Primary();
  JinjaNodePtr Name();
  JinjaNodePtr Brackets();
  JinjaNodePtr Postfix(JinjaNodePtr node);
  JinjaNodePtr Subscript(JinjaNodePtr object);
  void Arguments(JinjaNode& node);
  JinjaNodePtr Filter(JinjaNodePtr input);
  JinjaNodePtr Test(JinjaNodePtr input);

  std::vector<JinjaPiece> pieces_;
  size_t at_ = 0;
  int depth_ = 0;
};

}  // namespace ram
