// How a tokenizer.json cuts a text into words, none of which a token crosses.
// https://huggingface.co/docs/tokenizers/components
#pragma once

#include <memory>
#include <string_view>

#include "ram/base/json.h"
#include "ram/tokenizer/words.h"

namespace ram {

class PreTokenizer {
 public:
  virtual ~PreTokenizer() = default;
  virtual void Apply(Words& words) const = 0;
};

// Of the "pre_tokenizer" of a tokenizer.json; null: leaves the text in one
// piece. Throws kCorrupt or kUnsupported, naming `source` and the type.
std::unique_ptr<PreTokenizer> MakePreTokenizer(const Json& description,
                                               std::string_view source);

// What ByteLevel cuts by.
inline constexpr std::string_view kGpt2Pattern =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+)"
    R"(|\s+(?!\S)|\s+)";

// ByteLevel: cuts by GPT-2's expression when `use_regex`, then writes bytes as
// the code points of the byte alphabet.
std::unique_ptr<PreTokenizer> MakeByteLevel(bool add_prefix_space,
                                            bool use_regex);
// Split, every match a word of its own, for each of `patterns` in turn.
std::unique_ptr<PreTokenizer> MakeRegexSplits(
    std::span<const std::string_view> patterns, std::string_view source);
std::unique_ptr<PreTokenizer> MakeSequence(
    std::vector<std::unique_ptr<PreTokenizer>> steps);

}  // namespace ram
