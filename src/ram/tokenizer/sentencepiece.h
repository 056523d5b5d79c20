// SentencePiece's .model files: a protocol buffer with the pieces, their scores
// and how text is normalized. Read here and not by libsentencepiece, which
// needs libprotobuf, ends the program on some broken files, and would merge by
// other code than the same vocabulary in a GGUF file.
// https://github.com/google/sentencepiece/blob/master/src/sentencepiece_model.proto
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/tokenizer/pipeline_tokenizer.h"

namespace ram {

enum class SentencePieceType : uint64_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct SentencePiece {
  std::string text;
  float score = 0;
  SentencePieceType type = SentencePieceType::kNormal;
};

// What a file says, with the defaults of the format.
struct SentencePieceFile {
  std::vector<SentencePiece> pieces;  // none is empty, all are UTF-8
  uint64_t model_type = 1;            // unigram 1, BPE 2
  bool byte_fallback = false;
  bool space_is_suffix = false;
  uint64_t start = 1;  // index of a piece; none when there is no such piece
  uint64_t end = 2;
  std::string_view charsmap;  // of `bytes`; empty: text is left as it is
  bool add_prefix = true;
  bool remove_extra_spaces = true;
  bool escape_spaces = true;
};

// Throws kCorrupt and kUnsupported, naming `source`.
SentencePieceFile ReadSentencePieceFile(std::string_view bytes,
                                        const std::string& source);

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
