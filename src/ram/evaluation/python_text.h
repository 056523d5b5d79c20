// What Python's str does, where prompts must equal those that
// lm-evaluation-harness makes with it. Text is UTF-8.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace ram {

// The length in bytes of the text without trailing whitespace of str.isspace.
size_t StrippedLength(std::string_view text);
// str.strip().
std::string_view Strip(std::string_view text);
// str.capitalize() by simple case mapping (each character becomes one): the
// first in title case, the rest lowered.
std::string Capitalize(std::string_view text);
// len(str): code points.
size_t CodePoints(std::string_view text);
// str.replace(from, to).
std::string ReplaceAll(std::string_view text, std::string_view from,
                       std::string_view to);

}  // namespace ram
