// Tokens that are looked for in the text itself, before the model sees it:
// special ones such as <|im_start|>, and words that were added later.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/tokenizer/normalizer.h"
#include "ram/tokenizer/tokenizer.h"

namespace ram {

struct AddedToken {
  std::string text;
  std::string looked_for = {};  // in the text; empty: `text`
  TokenId id = 0;
  bool special = false;
  bool single_word = false;  // only between characters that are not \w
  bool left_strip = false;   // takes the white space before it
  bool right_strip = false;  // and after it
  bool normalized = false;   // is looked for in the normalized text
};

// The "added_tokens" of a tokenizer.json. Throws kCorrupt, naming `source`.
std::vector<AddedToken> ReadAddedTokens(const Json& tokens,
                                        std::string_view source);

// Finds the leftmost, then longest, of a set of tokens.
class AddedTokenFinder {
 public:
  struct Section {
    std::string_view text;
    const AddedToken* token = nullptr;  // nullptr: text between tokens
  };

  struct Pattern {
    std::string text;  // not empty
    const AddedToken* token;
  };

  AddedTokenFinder() = default;
  // Of two patterns with one text the later counts. The tokens must outlive
  // this.
  explicit AddedTokenFinder(std::vector<Pattern> patterns);

  // Cuts `text` into tokens and what lies between them; `special` false
  // leaves special tokens in the text.
  std::vector<Section> Cut(std::string_view text, bool special) const;

 private:
  struct Match {
    size_t end = 0;
    const AddedToken* token = nullptr;
  };
  Match LongestAt(std::string_view text, size_t at) const;

  std::vector<Pattern> patterns_;  // sorted by text
  // patterns_[first_[b] .. first_[b + 1]) start with byte b.
  std::vector<uint32_t> first_;
};

}  // namespace ram
