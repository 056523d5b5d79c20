// Words to token ids.
#pragma once

#include <memory>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/tokenizer/tokenizer.h"
#include "ram/tokenizer/vocabulary.h"
#include "ram/tokenizer/words.h"

namespace ram {

class TokenModel {
 public:
  virtual ~TokenModel() = default;
  // Appends the ids of every word, in order.
  virtual void Encode(const Words& words, std::vector<TokenId>& ids) const = 0;
  virtual const Vocabulary& vocabulary() const = 0;
};

// Of the "model" of a tokenizer.json: BPE or Unigram. Throws kCorrupt or
// kUnsupported, naming `source`.
std::unique_ptr<TokenModel> MakeTokenModel(const Json& description,
                                           std::string_view source);

}  // namespace ram
