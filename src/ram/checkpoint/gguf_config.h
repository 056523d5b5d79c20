// config.json for a model in GGUF: Hugging Face's keys from GGUF's metadata.
// Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md and what
// llama.cpp's converter writes per architecture.
#pragma once

#include <functional>
#include <string_view>
#include <vector>

#include "ram/base/json.h"
#include "ram/container/gguf.h"

namespace ram {

// How llama.cpp's converter changes a family's tensors.
struct GgufFamily {
  std::string_view architecture;  // general.architecture: "llama"
  std::string_view model_type;    // config.json's; the same where unknown
  std::string_view class_name;    // empty: this program has no description
  bool paired_heads = false;      // rows of q and k as in Storage::head_rows
  bool norms_plus_one = false;    // norms are stored with 1 added
};

// Mixtral is a llama with experts, GLM-4.7-Flash a deepseek2 with GLM's
// tokenizer. Views `header`. Throws kCorrupt without general.architecture.
GgufFamily GgufFamilyOf(const GgufHeader& header);

// The values of an F32 tensor of at most a few thousand elements; empty when
// there is no such tensor.
using GgufTable = std::function<std::vector<float>(std::string_view name)>;

// What config.json would say: sizes, attention, rotary embedding and its
// scaling (Llama-3's from the table rope_freqs.weight), experts, special
// tokens. For an unknown family, what the metadata has of it. Throws kCorrupt
// for missing keys, kUnsupported where layers differ in what config.json says
// once.
Json GgufConfig(const GgufFamily& family, const GgufHeader& header,
                const GgufTable& table);

}  // namespace ram
