// What the names of tokenizer.ggml.pre stand for.
#pragma once

#include <memory>
#include <optional>
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

}  // namespace ram
