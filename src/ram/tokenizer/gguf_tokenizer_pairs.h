// The tokenizer of a model directory as the metadata of a GGUF file
// (tokenizer.*), the way llama.cpp's converter writes it. The inverse of
// gguf_tokenizer_files.h.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <filesystem>

#include "ram/container/gguf_writer.h"

namespace ram {

// Byte-level BPE becomes the model "gpt2" with the merges, SentencePiece's BPE
// "llama" with scores; of a tokenizer.json the scores follow from its merges.
// `rows`: the rows of the embedding, for each of which the file lists a token;
// those that the tokenizer has no token for are unused, [PADn]. Added tokens
// without a row are left out. A directory without a tokenizer gives the model
// "no_vocab".
//
// Throws kUnsupported, with what was found, for a tokenizer that llama.cpp has
// no name for or would not encode with as this one does, and as
// Tokenizer::Open.
GgufPairs GgufTokenizerPairs(const std::filesystem::path& directory,
                             uint64_t rows);

}  // namespace ram
