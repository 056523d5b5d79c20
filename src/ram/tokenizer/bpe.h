// Byte pair encoding: neighbouring tokens are merged, the pair that was learnt
// first before all others, until no pair is left that was learnt.
// Sennrich et al., arXiv 1508.07909.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ram/tokenizer/pair_table.h"
#include "ram/tokenizer/token_model.h"

namespace ram {

struct BpeOptions {
  std::optional<std::string> unknown_token;
  std::string continuing_prefix;  // before every character but a word's first
  std::string end_suffix;         // after a word's last character
  bool fuse_unknown = false;      // a run of unknown characters is one token
  bool byte_fallback = false;     // unknown characters become <0xNN> tokens
  bool ignore_merges = false;     // a word that is a token is that token
};

class Bpe : public TokenModel {
 public:
  using Merge = std::pair<std::string, std::string>;

  // `merges` in the order in which they were learnt; of two equal ones the
  // later counts. Throws kCorrupt, naming `source`, when a merge names or makes
  // a token that is not in the vocabulary.
  Bpe(Vocabulary vocabulary, std::span<const Merge> merges, BpeOptions options,
      std::string_view source);

  void Encode(const Words& words, std::vector<TokenId>& ids) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  class Encoder;

  Vocabulary vocabulary_;
  BpeOptions options_;
  PairTable merges_;
  std::string source_;
  std::optional<TokenId> unknown_;
  std::array<std::optional<TokenId>, 256> byte_tokens_;
  bool words_apart_ = false;  // no token crosses a NextMarkedWord
  // Of the code points below 0x400, which the byte alphabet lies in; -1: none.
  std::array<TokenId, 0x400> single_;
};

// The "merges" of the "model" of a tokenizer.json: strings or pairs. Throws
// kCorrupt, naming `source`.
std::vector<Bpe::Merge> ReadBpeMerges(const Json& description,
                                      std::string_view source);

}  // namespace ram
