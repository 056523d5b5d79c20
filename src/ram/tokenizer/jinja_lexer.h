// A chat template (chat_template.h) cut into pieces of text and tokens.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace ram {

enum class JinjaToken : uint8_t {
  kText,        // outside of blocks, as it is printed
  kPrintBegin,  // {{
  kPrintEnd,
  kBlockBegin,  // {%
  kBlockEnd,
  kName,
  kString,  // decoded
  kInteger,
  kFloat,
  kOperator,  // one of + - * / // % ** ~ == != < <= > >= = . , : | ( ) [ ] { }
  kEnd,
};

struct JinjaPiece {
  JinjaToken token = JinjaToken::kEnd;
  std::string text;
  int line = 0;
};

// Whitespace control ("-", "+", trim_blocks, lstrip_blocks) is done, comments
// and the newline at the very end are dropped; the last piece is kEnd. Throws
// kCorrupt "line N: ...".
std::vector<JinjaPiece> CutJinja(std::string_view source);

}  // namespace ram
