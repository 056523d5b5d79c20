#include "ram/tokenizer/word_cache.h"

#include <algorithm>

namespace ram {

bool HasInnerSpaceMark(std::string_view text) {
  while (text.starts_with(kSpaceMark)) text.remove_prefix(kSpaceMark.size());
  return text.find(kSpaceMark) != text.npos;
}

size_t NextMarkedWord(std::string_view text, size_t from) {
  while (text.substr(from).starts_with(kSpaceMark)) from += kSpaceMark.size();
  return std::min(text.find(kSpaceMark, from), text.size());
}

}  // namespace ram
