// A text cut into words, between normalization and the model.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/tokenizer/regex.h"

namespace ram {

struct Word {
  size_t begin = 0;  // bytes in Words::text
  size_t end = 0;
  // Begins where the text that was given to Encode begins.
  bool at_start = false;
};

struct Words {
  std::string text;
  std::vector<Word> words;  // in order, none empty

  std::string_view View(const Word& word) const {
    return std::string_view(text).substr(word.begin, word.end - word.begin);
  }
};

// What happens to the matches that separate words, as in `tokenizers`.
enum class SplitBehavior {
  kRemoved,
  kIsolated,            // a word of its own
  kMergedWithPrevious,  // the end of the word before
  kMergedWithNext,      // the start of the word after
  kContiguous,          // neighbouring matches are one word
};

// Cuts every word by `regex`; `invert` takes what lies between the matches for
// the matches.
void SplitWords(const Regex& regex, SplitBehavior behavior, bool invert,
                Words& words);

// The same where every single code point with the property is a match.
void SplitWords(bool (*is_match)(char32_t), SplitBehavior behavior,
                Words& words);

// Rewrites every word; words that become empty vanish.
// rewrite(word, at_start, out) appends the new text of the word to `out`.
void RewriteWords(
    const std::function<void(std::string_view, bool, std::string&)>& rewrite,
    Words& words);

}  // namespace ram
