// The tokenizer that a GGUF file holds in its metadata (tokenizer.ggml.*).
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include "ram/container/gguf.h"
#include "ram/tokenizer/pipeline_tokenizer.h"

namespace ram {

// Models "gpt2" (byte-level BPE, whose words are cut as tokenizer.ggml.pre
// says) and "llama" (SentencePiece BPE). What the metadata leaves out, such as
// NFC, is taken from the tokenizer.json of the models that a name stands for.
// Throws kCorrupt and kUnsupported, naming the file and the key.
TokenizerParts ReadGgufTokenizer(const GgufMetadata& metadata);

}  // namespace ram
