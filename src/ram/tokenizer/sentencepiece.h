// SentencePiece's .model files: a protocol buffer with the pieces, their scores
// and how text is normalized. Read here and not by libsentencepiece, which
// needs libprotobuf, ends the program on some broken files, and would merge by
// other code than the same vocabulary in a GGUF file.
// https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
#pragma once

#include <string_view>

#include "ram/tokenizer/pipeline_tokenizer.h"

namespace ram {

struct SentencePieceModel {
  TokenizerParts parts;  // surrounding and end tokens empty
  std::optional<TokenId> start;
  std::optional<TokenId> end;
};

// Models BPE and unigram. Control pieces are special tokens, user-defined ones
// are looked for in the text. Throws kCorrupt and kUnsupported, naming
// `source`.
SentencePieceModel ReadSentencePiece(std::string_view bytes,
                                     std::string_view source);

}  // namespace ram
