// The tokenizer of a GGUF file as the files that Hugging Face's libraries read:
// tokenizer.json, tokenizer_config.json, generation_config.json.
#pragma once

#include <map>
#include <string>

#include "ram/container/gguf.h"

namespace ram {

// Name -> contents. Encodes as ReadGgufTokenizer does: byte-level BPE has the
// file's merges; for SentencePiece's BPE the merges follow from the scores, as
// in transformers' convert_slow_tokenizer.py. Throws as ReadGgufTokenizer.
std::map<std::string, std::string> GgufTokenizerFiles(
    const GgufMetadata& metadata);

}  // namespace ram
