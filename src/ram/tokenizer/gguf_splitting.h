// Which of the tokenizers that GGUF files name a tokenizer.json is.
#pragma once

#include <string>
#include <string_view>

#include "ram/base/json.h"

namespace ram {

struct GgufSplitting {
  bool byte_level = false;    // "gpt2"; else "llama", SentencePiece's BPE
  std::string name;           // tokenizer.ggml.pre
  bool space_prefix = false;  // of "llama": U+2581 before a text
};

// Of the normalizer, the pre_tokenizer and the model of a tokenizer.json, which
// is a valid one. Throws kUnsupported, naming `source` and what was found, when
// no name means the same: where words end, NFC, merges that are ignored.
GgufSplitting RecogniseGgufSplitting(const Json& tokenizer,
                                     std::string_view source);

}  // namespace ram
