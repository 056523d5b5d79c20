#include "ram/tokenizer/jinja_lexer.h"

#include <algorithm>
#include <utility>

#include "ram/base/error.h"

namespace ram {
namespace {

constexpr std::string_view kAsciiSpace = " \t\n\r\v\f";

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsNameStart(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

void AppendUtf8(uint32_t point, std::string& out) {
  const auto push = [&](uint32_t byte) {
    out += static_cast<char>(static_cast<uint8_t>(byte));
  };
  if (point < 0x80) {
    push(point);
  } else if (point < 0x800) {
    push(0xC0 | point >> 6);
    push(0x80 | (point & 63));
  } else if (point < 0x10000) {
    push(0xE0 | point >> 12);
    push(0x80 | (point >> 6 & 63));
    push(0x80 | (point & 63));
  } else {
    push(0xF0 | point >> 18);
    push(0x80 | (point >> 12 & 63));
    push(0x80 | (point >> 6 & 63));
    push(0x80 | (point & 63));
  }
}

class Lexer {
 public:
  explicit Lexer(std::string_view source) : source_(source) {
    if (source_.ends_with('\n')) source_.remove_suffix(1);
  }

  std::vector<JinjaPiece> Run() {
    while (at_ < source_.size()) Text();
    Push(JinjaToken::kEnd, "");
    return std::move(pieces_);
  }

 private:
  [[noreturn]] void Wrong(const std::string& what) const {
    Fail(ErrorKind::kCorrupt, "line {}: {}", line_, what);
  }
  void Push(JinjaToken token, std::string text) {
    pieces_.push_back({token, std::move(text), line_});
  }
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < source_.size() ? source_[at_ + ahead] : '\0';
  }
  // Moves on and counts lines.
  void Skip(size_t bytes) {
    for (size_t i = 0; i < bytes && at_ < source_.size(); ++i, ++at_) {
      if (source_[at_] == '\n') ++line_;
    }
  }
  void SkipTo(size_t place) { Skip(place - at_); }
  bool Next(std::string_view text) const {
    return source_.substr(at_).starts_with(text);
  }

  // Up to and with the next tag.
  void Text() {
    size_t open = at_;
    for (;; ++open) {
      open = source_.find('{', open);
      if (open == std::string_view::npos || open + 1 >= source_.size()) {
        open = source_.size();
        break;
      }
      const char kind = source_[open + 1];
      if (kind == '{' || kind == '%' || kind == '#') break;
    }
    std::string_view text = source_.substr(at_, open - at_);
    if (open < source_.size()) {
      const char kind = source_[open + 1];
      const char control = open + 2 < source_.size() ? source_[open + 2] : ' ';
      if (control == '-') {
        const size_t last = text.find_last_not_of(kAsciiSpace);
        text = text.substr(0, last == std::string_view::npos ? 0 : last + 1);
      } else if (kind != '{' && control != '+') {
        text = StripLineStart(text);
      }
    }
    if (!text.empty()) Push(JinjaToken::kText, std::string(text));
    SkipTo(open);
    if (at_ < source_.size()) Tag();
  }

  // lstrip_blocks: blanks before a block that begins its line.
  std::string_view StripLineStart(std::string_view text) const {
    const size_t newline = text.find_last_of('\n');
    const bool whole = newline == std::string_view::npos;
    if (whole && !line_begins_) return text;
    const size_t begin = whole ? 0 : newline + 1;
    const bool blank =
        text.find_first_not_of(" \t\r\v\f", begin) == std::string_view::npos;
    return blank ? text.substr(0, begin) : text;
  }

  void Tag() {
    const char kind = Peek(1);
    Skip(2);
    if (Peek() == '-' || Peek() == '+') Skip(1);
    if (kind == '#') {
      const size_t close = source_.find("#}", at_);
      if (close == std::string_view::npos) Wrong("a comment without its end");
      const bool strip = close > at_ && source_[close - 1] == '-';
      const bool keep = close > at_ && source_[close - 1] == '+';
      SkipTo(close + 2);
      AfterTag(strip, !keep);
      return;
    }
    const bool print = kind == '{';
    if (!print && Raw()) return;
    Push(print ? JinjaToken::kPrintBegin : JinjaToken::kBlockBegin, "");
    const std::string_view end = print ? "}}" : "%}";
    int depth = 0;  // of brackets: }} may end two dictionaries
    for (;;) {
      SkipTo(std::min(source_.find_first_not_of(kAsciiSpace, at_),
                      source_.size()));
      if (at_ >= source_.size()) Wrong("a tag without its end");
      const bool control = Peek() == '-' || Peek() == '+';
      if (depth == 0 &&
          (Next(end) ||
           (control && source_.substr(at_ + 1).starts_with(end)))) {
        const bool strip = Peek() == '-';
        const bool keep = Peek() == '+';
        Push(print ? JinjaToken::kPrintEnd : JinjaToken::kBlockEnd, "");
        Skip(control ? 3 : 2);
        AfterTag(strip, !print && !keep);
        return;
      }
      Token(depth);
    }
  }

  void AfterTag(bool strip, bool trim_newline) {
    const size_t before = at_;
    if (strip) {
      SkipTo(std::min(source_.find_first_not_of(kAsciiSpace, at_),
                      source_.size()));
    } else if (trim_newline && Peek() == '\n') {
      Skip(1);
    }
    line_begins_ = at_ > before && source_[at_ - 1] == '\n';
  }

  // {% raw %} text {% endraw %}, the first two characters read.
  bool Raw() {
    const auto blank = [&](size_t place) {
      return std::min(source_.find_first_not_of(kAsciiSpace, place),
                      source_.size());
    };
    size_t place = blank(at_);
    if (source_.substr(place, 3) != "raw") return false;
    place = blank(place + 3);
    if (source_.substr(place, 2) != "%}") return false;
    const size_t close = source_.find("{% endraw %}", place);
    if (close == std::string_view::npos) Wrong("raw without '{% endraw %}'");
    SkipTo(place + 2);
    AfterTag(false, true);
    Push(JinjaToken::kText, std::string(source_.substr(at_, close - at_)));
    SkipTo(close + 12);
    AfterTag(false, true);
    return true;
  }

  void Token(int& depth) {
    const char c = Peek();
    if (IsNameStart(c)) {
      size_t end = at_;
      while (end < source_.size() &&
             (IsNameStart(source_[end]) || IsDigit(source_[end]))) {
        ++end;
      }
      Push(JinjaToken::kName, std::string(source_.substr(at_, end - at_)));
      SkipTo(end);
    } else if (IsDigit(c)) {
      Number();
    } else if (c == '\'' || c == '"') {
      QuotedString(c);
    } else {
      Operator(depth);
    }
  }

  void Number() {
    size_t end = at_;
    const auto digits = [&] {
      while (end < source_.size() &&
             (IsDigit(source_[end]) || source_[end] == '_')) {
        ++end;
      }
    };
    digits();
    bool fraction = false;
    if (end + 1 < source_.size() && source_[end] == '.' &&
        IsDigit(source_[end + 1])) {
      fraction = true;
      ++end;
      digits();
    }
    if (end < source_.size() && (source_[end] == 'e' || source_[end] == 'E')) {
      Wrong("numbers with exponents are not supported");
    }
    std::string text(source_.substr(at_, end - at_));
    std::erase(text, '_');
    Push(fraction ? JinjaToken::kFloat : JinjaToken::kInteger, std::move(text));
    SkipTo(end);
  }

  void QuotedString(char quote) {
    std::string text;
    const int line = line_;
    for (Skip(1); Peek() != quote || at_ >= source_.size(); Skip(1)) {
      if (at_ >= source_.size()) Wrong("a string without its end");
      if (Peek() != '\\') {
        text += Peek();
        continue;
      }
      Skip(1);
      Escape(text);
    }
    Skip(1);
    pieces_.push_back({JinjaToken::kString, std::move(text), line});
  }

  void Escape(std::string& text) {
    switch (Peek()) {
      case 'n':
        text += '\n';
        return;
      case 't':
        text += '\t';
        return;
      case 'r':
        text += '\r';
        return;
      case 'b':
        text += '\b';
        return;
      case 'f':
        text += '\f';
        return;
      case 'v':
        text += '\v';
        return;
      case 'a':
        text += '\a';
        return;
      case '0':
        text += '\0';
        return;
      case '\n':
        return;
      case 'x':
        return CodePoint(2, text);
      case 'u':
        return CodePoint(4, text);
      case 'U':
        return CodePoint(8, text);
      case '\\':
      case '\'':
      case '"':
        text += Peek();
        return;
      default:  // as Python: the backslash stays
        text += '\\';
        text += Peek();
    }
  }

  void CodePoint(size_t digits, std::string& text) {
    uint32_t point = 0;
    for (size_t i = 0; i < digits; ++i) {
      Skip(1);
      const std::string_view hex = "0123456789abcdef";
      const size_t digit =
          hex.find(static_cast<char>(Peek() | (Peek() >= 'A' ? 0x20 : 0)));
      if (digit == std::string_view::npos) Wrong("an escape of wrong digits");
      point = point << 4 | static_cast<uint32_t>(digit);
    }
    if (point > 0x10FFFF || (point >= 0xD800 && point < 0xE000)) {
      Wrong("an escape that is no character");
    }
    AppendUtf8(point, text);
  }

  void Operator(int& depth) {
    for (const std::string_view two : {"//", "**", "==", "!=", "<=", ">="}) {
      if (Next(two)) {
        Push(JinjaToken::kOperator, std::string(two));
        return Skip(2);
      }
    }
    const char c = Peek();
    if (std::string_view("+-*/%~<>=.,:|()[]{}").find(c) ==
        std::string_view::npos) {
      Wrong(fmt::format("found '{}', expected an expression", c));
    }
    if (c == '(' || c == '[' || c == '{') ++depth;
    if (c == ')' || c == ']' || c == '}') --depth;
    if (depth < 0) Wrong(fmt::format("'{}' without its beginning", c));
    Push(JinjaToken::kOperator, std::string(1, c));
    Skip(1);
  }

  std::string_view source_;
  size_t at_ = 0;
  int line_ = 1;
  bool line_begins_ = true;
  std::vector<JinjaPiece> pieces_;
};

}  // namespace

std::vector<JinjaPiece> CutJinja(std::string_view source) {
  return Lexer(source).Run();
}

}  // namespace ram
