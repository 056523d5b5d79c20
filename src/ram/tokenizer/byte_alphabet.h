// The printable code points that stand for bytes in byte-level vocabularies:
// '!'..'~', U+00A1..U+00AC and U+00AE..U+00FF for themselves, U+0100 and up for
// the other 68 in order.
// https://github.com/openai/gpt-2/blob/master/src/encoder.py
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ram {

// By byte.
const std::array<char32_t, 256>& ByteAlphabet();
// Appends the code point of every byte.
void AppendByteLevel(std::string_view bytes, std::string& text);
// Appends the bytes that `token` stands for; false, appending nothing, when it
// has a code point that stands for none.
bool AppendBytesOf(std::string_view token, std::string& bytes);

}  // namespace ram
