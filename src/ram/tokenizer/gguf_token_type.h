// tokenizer.ggml.token_type of a GGUF file (llama.h: llama_token_type).
#pragma once

#include <cstdint>

namespace ram {

struct GgufTokenType {
  enum : int32_t {
    kNormal = 1,
    kUnknown = 2,
    kControl = 3,
    kUserDefined = 4,
    kUnused = 5,
    kByte = 6,
  };
};

}  // namespace ram
