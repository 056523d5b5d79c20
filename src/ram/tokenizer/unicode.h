// UTF-8 and the properties of code points that tokenizers ask for, in the
// sense of Rust's `char` and `regex`, which the `tokenizers` package uses.
// Tables: utf8proc's version of Unicode.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ram {

// The offset of the first byte that is not part of well-formed UTF-8 (no
// surrogates, no overlong forms, nothing above U+10FFFF); nullopt: none.
std::optional<size_t> FindInvalidUtf8(std::string_view text);
// `text` with U+FFFD for every byte that is not part of well-formed UTF-8.
std::string ReplaceInvalidUtf8(std::string_view text);

struct CodePoint {
  char32_t value;
  size_t bytes;
};

// The code point at the start of `text`, which is well-formed and not empty.
CodePoint FirstCodePoint(std::string_view text);
// The last one.
CodePoint LastCodePoint(std::string_view text);
void AppendUtf8(char32_t code_point, std::string& text);
// How many code points well-formed `text` has.
size_t CountCodePoints(std::string_view text);

// White_Space.
bool IsWhiteSpace(char32_t c);
// Nd, Nl, No.
bool IsNumeric(char32_t c);
// ASCII punctuation and symbols, and P*.
bool IsPunctuation(char32_t c);
// \w: Alphabetic, M*, Nd, Pc, Join_Control.
bool IsWord(char32_t c);
// M*.
bool IsMark(char32_t c);

}  // namespace ram
