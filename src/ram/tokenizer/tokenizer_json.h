// tokenizer.json, the format of the `tokenizers` package.
// https://huggingface.co/docs/tokenizers
#pragma once

#include <string_view>

#include "ram/base/json.h"
#include "ram/tokenizer/pipeline_tokenizer.h"

namespace ram {

// The parts of a parsed tokenizer.json; end tokens and chat template stay
// empty, as they are in other files. Throws kCorrupt or kUnsupported, naming
// `source` and the component.
TokenizerParts ReadTokenizerJson(const Json& json, std::string_view source);

}  // namespace ram
