// How a tokenizer.json puts token texts together again.
// https://huggingface.co/docs/tokenizers/components
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"

namespace ram {

class Decoder {
 public:
  virtual ~Decoder() = default;
  // Rewrites the parts of a text; their concatenation is the text. Parts are
  // bytes once byte tokens were turned into what they stand for.
  virtual void Apply(std::vector<std::string>& parts) const = 0;
};

// Of the "decoder" of a tokenizer.json; null: puts spaces between the tokens.
// Throws kCorrupt or kUnsupported, naming `source` and the type.
std::unique_ptr<Decoder> MakeDecoder(const Json& description,
                                     std::string_view source);

// Bytes of the byte alphabet; tokens with other characters as they are.
std::unique_ptr<Decoder> MakeByteLevelDecoder();

// Byte tokens, and U+2581 for spaces; `drop_first` removes a space in front.
std::unique_ptr<Decoder> MakeSentencePieceDecoder(bool drop_first);

}  // namespace ram
