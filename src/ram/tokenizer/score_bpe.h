// SentencePiece's byte pair encoding: of all neighbours that are a token
// together, those with the highest score are merged first.
// https://github.com/google/sentencepiece/blob/master/src/bpe_model.cc
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ram/tokenizer/token_model.h"

namespace ram {

class ScoreBpe : public TokenModel {
 public:
  // Per entry of the vocabulary: its score, and whether text can become it
  // (control and byte tokens cannot). Unknown characters become their <0xNN>
  // tokens where all 256 exist, else `unknown`. Throws kCorrupt, naming
  // `source`, when a score is not a number.
  ScoreBpe(Vocabulary vocabulary, std::vector<float> scores,
           const std::vector<bool>& is_text, std::optional<TokenId> unknown,
           std::string source);

  void Encode(const Words& words, std::vector<TokenId>& ids) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  class Encoder;

  Vocabulary vocabulary_;
  std::vector<float> scores_;
  // Indices of entries that text can become.
  std::unordered_map<std::string_view, uint32_t> by_text_;
  size_t longest_bytes_ = 0;
  bool words_apart_ = true;  // no token crosses a NextMarkedWord
  std::array<TokenId, 256> byte_tokens_;
  bool has_byte_tokens_ = true;
  std::optional<TokenId> unknown_;
  std::string source_;
};

}  // namespace ram
