// What the names of tokenizer.ggml.pre stand for.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ram/tokenizer/pre_tokenizer.h"

namespace ram {

struct GgufWords {
  std::unique_ptr<PreTokenizer> pre_tokenizer;  // ends with byte-level
  std::vector<std::string_view> patterns;       // what it splits by, in order
  bool nfc = false;
  bool ignore_merges = false;
  bool add_start = false;  // unless the file says something else
  bool glm_start = false;  // texts start with [gMASK]<sop>
};

// nullopt: an unknown name.
std::optional<GgufWords> FindGgufWords(std::string_view name);

// The name for a splitting by these patterns, in order; of several that mean
// the same, the one that llama.cpp's converter writes. `glm`: the vocabulary is
// GLM's ([gMASK]<sop>). nullopt: none does that.
std::optional<std::string_view> FindGgufName(
    std::span<const std::string> patterns, bool nfc, bool ignore_merges,
    bool glm);

}  // namespace ram
