// The table by which SentencePiece normalizes text: strings and what they
// become, in a double-array trie.
// https://github.com/google/sentencepiece/blob/master/src/normalizer.cc
// https://github.com/s-yata/darts-clone
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ram/tokenizer/normalizer.h"

namespace ram {

class Charsmap : public Normalizer {
 public:
  // `blob`: the bytes of the trie as a 32-bit number, the trie (32-bit units),
  // replacements that end with a zero byte. Throws kCorrupt, naming `source`.
  Charsmap(std::string_view blob, std::string_view source);

  // From left to right, the longest string in the table is replaced; what is
  // not in it stays.
  std::string Apply(std::string text) const override;

 private:
  struct Match {
    size_t bytes = 0;  // 0: none
    uint32_t replacement = 0;
  };
  Match LongestPrefix(std::string_view text) const;

  std::vector<uint32_t> units_;
  std::string replacements_;
};

}  // namespace ram
