// The Tokenizer that is made of parts, as the `tokenizers` package does it:
// added tokens are cut out of the text; the rest is normalized, cut into words
// and given to the model.
#pragma once

#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "ram/tokenizer/added_tokens.h"
#include "ram/tokenizer/decoder.h"
#include "ram/tokenizer/normalizer.h"
#include "ram/tokenizer/post_processor.h"
#include "ram/tokenizer/pre_tokenizer.h"
#include "ram/tokenizer/token_model.h"
#include "ram/tokenizer/tokenizer.h"

namespace ram {

struct TokenizerParts {
  std::string source;  // for messages: the file
  std::vector<AddedToken> added_tokens;
  std::unique_ptr<Normalizer> normalizer;
  std::unique_ptr<PreTokenizer> pre_tokenizer;
  std::unique_ptr<TokenModel> model;
  SurroundingTokens surrounding;
  std::unique_ptr<Decoder> decoder;
  std::vector<TokenId> end_tokens;
  std::string chat_template;
};

class PipelineTokenizer : public Tokenizer {
 public:
  // No part is null. Throws kCorrupt when two texts have one id, or a
  // surrounding or an end token has none.
  explicit PipelineTokenizer(TokenizerParts parts);

  std::vector<TokenId> Encode(std::string_view text,
                              const EncodeOptions& options) const override;
  std::string Decode(std::span<const TokenId> ids,
                     bool skip_special) const override;
  uint64_t vocabulary_size() const override { return vocabulary_size_; }
  std::vector<TokenId> StartTokens() const override {
    return parts_.surrounding.before;
  }
  std::vector<TokenId> EndTokens() const override { return parts_.end_tokens; }
  std::optional<TokenId> FindToken(std::string_view text) const override;
  std::string ChatTemplate() const override { return parts_.chat_template; }

 private:
  void PlaceAddedTokens();
  void MakeFinders();
  void CheckKnown(std::span<const TokenId> ids, std::string_view what) const;
  void EncodeNormalized(std::string_view text, bool at_start, bool special,
                        std::vector<TokenId>& ids) const;

  TokenizerParts parts_;
  uint64_t vocabulary_size_ = 0;
  // Indices of parts_.added_tokens; the last of several tokens with one text.
  std::unordered_map<std::string_view, size_t> added_by_text_;
  std::unordered_map<TokenId, size_t> added_by_id_;
  // What the decoder gets for a token that is looked for in normalized text.
  std::unordered_map<TokenId, std::string> normalized_texts_;
  AddedTokenFinder raw_finder_;
  AddedTokenFinder normalized_finder_;
};

}  // namespace ram
