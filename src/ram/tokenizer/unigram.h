// The most probable way to cut a word into tokens that have a log-probability
// each. Kudo, arXiv 1804.10959.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/tokenizer/token_model.h"

namespace ram {

class Unigram : public TokenModel {
 public:
  // Per entry of the vocabulary: its score, and whether text can become it. An
  // unknown character costs 10 more than the worst token; a run of them becomes
  // its bytes where `byte_fallback` and all 256 <0xNN> tokens exist, else
  // `unknown`. `single_precision` rounds sums to float, as SentencePiece does,
  // which decides between equals. Throws kCorrupt, naming `source`, when a
  // score is not finite.
  Unigram(Vocabulary vocabulary, std::vector<double> scores,
          const std::vector<bool>& is_text, std::optional<TokenId> unknown,
          bool byte_fallback, bool single_precision, std::string source);

  void Encode(const Words& words, std::vector<TokenId>& ids) const override;
  const Vocabulary& vocabulary() const override { return vocabulary_; }

 private:
  struct Step;  // the best way to a position
  double Sum(double a, double b) const {
    return single_precision_ ? static_cast<float>(a + b) : a + b;
  }
  void FillSteps(std::string_view word, std::vector<Step>& steps) const;
  void EncodeWord(std::string_view word, std::vector<Step>& steps,
                  std::vector<TokenId>& ids) const;
  void EmitUnknown(std::string_view text, std::vector<TokenId>& ids) const;

  Vocabulary vocabulary_;
  std::vector<double> scores_;
  std::optional<TokenId> unknown_;
  bool single_precision_;
  double unknown_score_ = 0;
  std::string source_;
  std::array<TokenId, 256> byte_tokens_;
  bool has_byte_tokens_ = false;
  std::vector<uint32_t> sorted_;  // entries that text can become, by text
};

}  // namespace ram
