#include <cstdint>

#include "ram/base/error.h"
#include "ram/tokenizer/recent_code_points.h"
#include "ram/tokenizer/regex.h"

namespace ram {
namespace {

// Inside brackets: White_Space and its complement.
constexpr std::string_view kSpace =
    "\\x{9}-\\x{D}\\x{20}\\x{85}\\x{A0}\\x{1680}\\x{2000}-\\x{200A}"
    "\\x{2028}\\x{2029}\\x{202F}\\x{205F}\\x{3000}";
constexpr std::string_view kNotSpace =
    "\\x{0}-\\x{8}\\x{E}-\\x{1F}\\x{21}-\\x{84}\\x{86}-\\x{9F}"
    "\\x{A1}-\\x{167F}\\x{1681}-\\x{1FFF}\\x{200B}-\\x{2027}"
    "\\x{202A}-\\x{202E}\\x{2030}-\\x{205E}\\x{2060}-\\x{2FFF}"
    "\\x{3001}-\\x{10FFFF}";
// Alphabetic, M, Nd, Pc, and in Latin-1 every number.
constexpr std::string_view kWord =
    "\\x{B2}\\x{B3}\\x{B9}\\x{BC}-\\x{BE}\\p{L}\\p{M}\\p{Nd}\\p{Nl}\\p{Pc}\\x{"
    "24B6}-\\x{24E9}"
    "\\x{1F130}-\\x{1F149}\\x{1F150}-\\x{1F169}\\x{1F170}-\\x{1F189}";
constexpr std::string_view kHexDigit = "0-9A-Fa-f";

bool IsAsciiDigit(char c) { return c >= '0' && c <= '9'; }
bool IsAsciiLetter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
bool IsHex(char c) {
  return IsAsciiDigit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

class Translation {
 public:
  Translation(std::string_view pattern, std::string_view source)
      : pattern_(pattern), source_(source) {}

  std::string Run() {
    while (!AtEnd()) {
      switch (Peek()) {
        case '\\':
          Escape(/*in_class=*/false);
          break;
        case '[':
          Class();
          break;
        case '(':
          Group();
          break;
        case '*':
        case '+':
        case '?':
          out_ += Take();
          break;
        case '{':
          Interval();
          break;
        default:
          out_ += Take();
      }
    }
    return std::move(out_);
  }

 private:
  bool AtEnd() const { return at_ >= pattern_.size(); }
  // NUL at the end: a NUL in the pattern is not special either.
  char Peek(size_t ahead = 0) const {
    return at_ + ahead < pattern_.size() ? pattern_[at_ + ahead] : '\0';
  }
  char Take() { return pattern_[at_++]; }

  [[noreturn]] void Refuse(std::string_view what) const {
    Fail(ErrorKind::kUnsupported,
         "{}: regular expression '{}': found {} at byte {}, which is not "
         "supported",
         source_, pattern_.substr(0, 200), what, at_);
  }

  void Bracketed(std::string_view content, bool in_class, bool negated) {
    if (in_class && negated) Refuse("a negated escape in brackets");
    if (!in_class) out_ += negated ? "[^" : "[";
    out_ += content;
    if (!in_class) out_ += ']';
  }

  void Escape(bool in_class) {
    if (at_ + 1 >= pattern_.size()) Refuse("a lone backslash");
    const char c = Peek(1);
    if (c == 'p' || c == 'P') return Property(in_class);
    if (c == 'x' || c == 'u') return Code();
    if (!IsAsciiLetter(c) && !IsAsciiDigit(c)) {
      out_ += Take();
      out_ += Take();
      return;
    }
    Letter(c, in_class);
    at_ += 2;
  }

  void Letter(char c, bool in_class) {
    switch (c) {
      case 's':
        return Bracketed(kSpace, in_class, false);
      case 'S':
        return Bracketed(kNotSpace, in_class, false);
      case 'w':
      case 'W':
        return Bracketed(kWord, in_class, c == 'W');
      case 'h':
      case 'H':
        return Bracketed(kHexDigit, in_class, c == 'H');
      case 'd':
        out_ += "\\p{Nd}";
        return;
      case 'D':
        out_ += "\\P{Nd}";
        return;
      case 'v':
        out_ += "\\x{B}";
        return;
      case 'b':
        if (in_class) {
          out_ += "\\x{8}";
        } else {
          WordBoundary(false);
        }
        return;
      case 'n':
      case 'r':
      case 't':
      case 'f':
      case 'a':
      case 'e':
        out_ += '\\';
        out_ += c;
        return;
      default:
        break;
    }
    if (in_class || !(c == 'B' || c == 'A' || c == 'z' || c == 'Z')) {
      Refuse(std::string("\\") + c);
    }
    if (c == 'B') return WordBoundary(true);
    out_ += '\\';
    out_ += c;
  }

  void WordBoundary(bool negated) {
    const std::string word = "[" + std::string(kWord) + "]";
    out_ += negated ? "(?:(?<=" : "(?:(?<!";
    out_ += word + ")(?=" + word + ")|(?<" + (negated ? "!" : "=") + word +
            ")(?!" + word + "))";
  }

  // \x{HHHH}, \xHH below 0x80, \uHHHH.
  void Code() {
    const bool braces = Peek(1) == 'x' && Peek(2) == '{';
    const size_t longest = braces ? 8 : Peek(1) == 'u' ? 4 : 2;
    at_ += braces ? 3 : 2;
    std::string digits;
    while (digits.size() < longest && IsHex(Peek())) digits += Take();
    const bool closed = !braces || (!AtEnd() && Take() == '}');
    if (digits.empty() || !closed) Refuse("an escape without its digits");
    if (!braces && longest == 2 && digits.size() == 2 && digits[0] >= '8') {
      Refuse("an escaped byte");
    }
    out_ += "\\x{" + digits + "}";
  }

  // \p{L} and \p{^L}. Scripts have names of more than two letters.
  void Property(bool in_class) {
    const bool negated = Peek(1) == 'P';
    if (Peek(2) != '{') Refuse("\\p without braces");
    at_ += 3;
    const bool inverted = Peek() == '^';
    if (inverted) ++at_;
    std::string name;
    while (IsAsciiLetter(Peek()) || IsAsciiDigit(Peek()) || Peek() == '_') {
      name += Take();
    }
    if (Peek() != '}' || name.empty()) Refuse("a property without a name");
    ++at_;
    const bool excludes = negated != inverted;
    if (name.size() > 2) {
      out_ += (excludes ? "\\P{" : "\\p{") +
              std::string(name == "Any" ? "" : "sc:") + name + "}";
    } else if (excludes && in_class) {
      out_ += "\\P{" + name + "}";
    } else {
      Bracketed("\\p{" + name + "}" + RecentMembers(name), in_class, excludes);
    }
  }

  // The recent code points of the categories whose names start with `name`.
  static std::string RecentMembers(std::string_view name) {
    std::string members;
    for (const RecentRange& range : RecentRanges()) {
      if (!std::string_view(range.category).starts_with(name)) continue;
      members += fmt::format("\\x{{{:X}}}-\\x{{{:X}}}",
                             static_cast<uint32_t>(range.first),
                             static_cast<uint32_t>(range.last));
    }
    return members;
  }

  void Class() {
    out_ += Take();
    if (Peek() == '^') out_ += Take();
    bool first = true;
    while (!AtEnd() && (first || Peek() != ']')) {
      if (Peek() == '[') Refuse("brackets within brackets");
      if (Peek() == '&' && Peek(1) == '&') Refuse("&& in brackets");
      if (Peek() == '\\') {
        Escape(/*in_class=*/true);
      } else {
        if (Peek() == ']') out_ += '\\';
        out_ += Take();
      }
      first = false;
    }
    if (AtEnd()) Refuse("brackets that are not closed");
    out_ += Take();
  }

  void Group() {
    out_ += Take();
    if (Peek() == '*') Refuse("'(*'");
    if (Peek() != '?') return;
    out_ += Take();
    const char kind = Peek();
    if (kind == ':' || kind == '=' || kind == '!' || kind == '>') {
      out_ += Take();
    } else if (kind == '<' && (Peek(1) == '=' || Peek(1) == '!')) {
      out_ += Take();
      out_ += Take();
    } else {
      Options();
    }
  }

  // (?i) (?i: (?mi-i: and so on; Ruby's m is what others call s.
  void Options() {
    while (Peek() == 'i' || Peek() == 'm' || Peek() == '-') {
      const char option = Take();
      out_ += option == 'm' ? 's' : option;
    }
    if (Peek() != ':' && Peek() != ')') Refuse("this kind of group");
    out_ += Take();
  }

  // {n}, {n,}, {n,m}, {,m}; anything else is text.
  void Interval() {
    size_t end = 1;
    std::string low, high;
    while (IsAsciiDigit(Peek(end))) low += Peek(end++);
    const bool comma = Peek(end) == ',';
    if (comma) {
      ++end;
      while (IsAsciiDigit(Peek(end))) high += Peek(end++);
    }
    if (Peek(end) != '}' || (low.empty() && high.empty())) {
      out_ += '\\';
      out_ += Take();
      return;
    }
    at_ += end + 1;
    // Ruby repeats the repetition where others make it possessive or lazy.
    if (Peek() == '+' || (Peek() == '?' && !comma)) {
      Refuse("a quantifier of {}");
    }
    out_ += '{' + (low.empty() ? "0" : low) + (comma ? "," : "") + high + '}';
  }

  std::string_view pattern_;
  std::string_view source_;
  size_t at_ = 0;
  std::string out_;
};

}  // namespace

std::string TranslateRegex(std::string_view pattern, std::string_view source) {
  return Translation(pattern, source).Run();
}

}  // namespace ram
