// The tokens that a tokenizer.json puts around a text.
// https://huggingface.co/docs/tokenizers/components
#pragma once

#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/tokenizer/tokenizer.h"

namespace ram {

struct SurroundingTokens {
  std::vector<TokenId> before;
  std::vector<TokenId> after;
};

// Of the "post_processor" of a tokenizer.json; null: none. Throws kCorrupt or
// kUnsupported, naming `source` and the type.
SurroundingTokens ReadPostProcessor(const Json& description,
                                    std::string_view source);

}  // namespace ram
