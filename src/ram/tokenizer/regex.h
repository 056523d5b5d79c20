// Regular expressions of tokenizer files. They are written for Oniguruma with
// Ruby's syntax (the `tokenizers` package's engine); here PCRE2 runs them, so
// a pattern is first rewritten where the two engines differ.
//   Oniguruma: https://github.com/kkos/oniguruma/blob/master/doc/RE
//   PCRE2: pcre2pattern(3)
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace ram {

// The PCRE2 pattern that matches what `pattern` matches in Oniguruma: \s, \w,
// \b and \h are spelled out, scripts mean Script and not Script_Extensions,
// and `(?m` is `(?s`. Throws kUnsupported, naming `source`, for what has no
// equal here (nested classes, names, comments, byte escapes).
std::string TranslateRegex(std::string_view pattern, std::string_view source);

class Regex {
 public:
  // Throws kUnsupported, naming `source` and the pattern, when it cannot be
  // translated or compiled.
  Regex(std::string_view pattern, std::string_view source);
  // Matches `text` itself.
  static Regex Literal(std::string_view text, std::string_view source);
  Regex(Regex&&) noexcept;
  Regex& operator=(Regex&&) noexcept;
  ~Regex();

  // What finds the matches; one per thread.
  class Matcher;

 private:
  struct Code;
  explicit Regex(std::unique_ptr<Code> code);
  std::unique_ptr<Code> code_;
};

// Finds every match in one text after another, from left to right, without
// overlap; an empty match that touches the match before it does not count.
// Must not outlive the Regex.
class Regex::Matcher {
 public:
  explicit Matcher(const Regex& regex);
  ~Matcher();
  Matcher(const Matcher&) = delete;
  Matcher& operator=(const Matcher&) = delete;

  // A new text, well-formed UTF-8, which must outlive the calls of Next.
  void Start(std::string_view text);
  // The next match; false: no more. Throws kUnsupported when a match takes
  // more steps than any sensible pattern.
  bool Next(size_t& begin, size_t& end);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// `text` with every match replaced by `content`, as it is.
std::string ReplaceMatches(const Regex& regex, std::string_view text,
                           std::string_view content);

}  // namespace ram
