#include "ram/tokenizer/word_cache.h"

#include <algorithm>

namespace ram {

std::string WithSpaces(std::string_view text) {
  std::string result;
  for (size_t at = 0; at < text.size();) {
    const bool space = text.substr(at).starts_with(kSpaceMark);
    result += space ? ' ' : text[at];
    at += space ? kSpaceMark.size() : 1;
  }
  return result;
}

bool HasInnerSpaceMark(std::string_view text) {
  while (text.starts_with(kSpaceMark)) text.remove_prefix(kSpaceMark.size());
  return text.find(kSpaceMark) != text.npos;
}

size_t NextMarkedWord(std::string_view text, size_t from) {
  while (text.substr(from).starts_with(kSpaceMark)) from += kSpaceMark.size();
  return std::min(text.find(kSpaceMark, from), text.size());
}

}  // namespace ram
