// Words come again: their tokens are kept within one call of Encode.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ram/tokenizer/tokenizer.h"
#include "ram/tokenizer/vocabulary.h"

namespace ram {

class WordCache {
 public:
  // The ids are those of the words so far, in `ids`, which only grows; words
  // must stay where they are.
  explicit WordCache(std::vector<TokenId>& ids) : ids_(ids) {}

  // Appends the ids of a word that was seen; false: it was not.
  bool Append(std::string_view word) {
    const auto found = ranges_.find(word);
    if (found == ranges_.end()) return false;
    const auto [begin, end] = found->second;
    for (size_t i = begin; i < end; ++i) ids_.push_back(ids_[i]);
    return true;
  }

  // The ids of `word` are those from `begin` to the end.
  void Remember(std::string_view word, size_t begin) {
    if (word.size() > kMaxWordBytes || ranges_.size() > kMaxWords) return;
    ranges_.emplace(word, std::pair(begin, ids_.size()));
  }

 private:
  static constexpr size_t kMaxWordBytes = 256;
  static constexpr size_t kMaxWords = size_t{1} << 20;

  std::vector<TokenId>& ids_;
  std::unordered_map<std::string_view, std::pair<size_t, size_t>> ranges_;
};

// U+2581, which SentencePiece writes for a space.
inline constexpr std::string_view kSpaceMark = "\u2581";

// What stands in a text for a token with marks.
std::string WithSpaces(std::string_view text);

// True when `text` has a space mark after something else.
bool HasInnerSpaceMark(std::string_view text);

// The start of the next word after `from`: a space mark that does not follow
// another. Where no token has a mark inside, no token crosses such a place, and
// a text of a megabyte can be encoded word by word.
size_t NextMarkedWord(std::string_view text, size_t from);

}  // namespace ram
