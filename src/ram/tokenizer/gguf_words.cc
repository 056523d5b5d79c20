#include "ram/tokenizer/gguf_words.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>
#include <vector>

namespace ram {
namespace {

// The expressions of the tokenizer.json files that the names stand for.
constexpr std::string_view kGpt2 =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+)"
    R"(|\s+(?!\S)|\s+)";
constexpr std::string_view kLlama3 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen2 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kQwen35 =
    R"((?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N})"
    R"(| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kTekken =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]+|[^\r\n\p{L}\p{N}]?)"
    R"([\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*|\p{N})"
    R"(| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kGpt4o =
    R"([^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+)"
    R"([\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?)"
    R"(|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kDeepSeek3 =
    R"([!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+)"
    R"(|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*)"
    R"(|\s*[\r\n]+|\s+(?!\S)|\s+)";
constexpr std::string_view kCjk = "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
constexpr std::string_view kThreeDigits = R"(\p{N}{1,3})";
constexpr std::string_view kDigit = R"(\p{N})";
// llama.cpp's own, for files that name none.
constexpr std::string_view kPunctuation = R"([\p{P}$+<=>\^~|]+)";
constexpr std::string_view kNumber = R"(\p{N}+)";
constexpr std::string_view kAsciiThree = "[0-9][0-9][0-9]";

struct Rule {
  std::array<std::string_view, 8> names;  // the usual one first; empty at the
                                          // end
  std::array<std::string_view, 4> patterns;
  bool nfc = false;
  bool ignore_merges = false;
  bool add_start = false;
  bool glm_start = false;
};

constexpr Rule kRules[] = {
    {.names = {"default"},
     .patterns = {kPunctuation, kGpt2, kNumber, kAsciiThree}},
    {.names = {"gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion"},
     .patterns = {kGpt2}},
    {.names = {"smollm", "starcoder", "refact", "command-r", "codeshell",
               "exaone", "minerva-7b"},
     .patterns = {kDigit, kGpt2}},
    {.names = {"llama-bpe", "llama3", "llama-v3", "falcon3"},
     .patterns = {kLlama3},
     .ignore_merges = true,
     .add_start = true},
    {.names = {"smaug-bpe", "dbrx"}, .patterns = {kLlama3}},
    {.names = {"glm4", "chatglm-bpe"},
     .patterns = {kLlama3},
     .glm_start = true},
    {.names = {"qwen2", "deepseek-r1-qwen"}, .patterns = {kQwen2}, .nfc = true},
    {.names = {"stablelm2"}, .patterns = {kQwen2}},
    {.names = {"qwen35"}, .patterns = {kQwen35}, .nfc = true},
    {.names = {"gpt-4o", "llama4"}, .patterns = {kGpt4o}},
    {.names = {"tekken"}, .patterns = {kTekken}, .ignore_merges = true},
    {.names = {"deepseek-v3"}, .patterns = {kThreeDigits, kCjk, kDeepSeek3}},
};

}  // namespace

std::optional<GgufWords> FindGgufWords(std::string_view name) {
  for (const Rule& rule : kRules) {
    if (name.empty() || std::find(rule.names.begin(), rule.names.end(), name) ==
                            rule.names.end()) {
      continue;
    }
    const auto end = std::find(rule.patterns.begin(), rule.patterns.end(), "");
    std::vector<std::unique_ptr<PreTokenizer>> steps;
    steps.push_back(
        MakeRegexSplits(std::span(rule.patterns.begin(), end), name));
    steps.push_back(MakeByteLevel(false, false));
    return GgufWords{.pre_tokenizer = MakeSequence(std::move(steps)),
                     .patterns = {rule.patterns.begin(), end},
                     .nfc = rule.nfc,
                     .ignore_merges = rule.ignore_merges,
                     .add_start = rule.add_start,
                     .glm_start = rule.glm_start};
  }
  return std::nullopt;
}

std::optional<std::string_view> FindGgufName(
    std::span<const std::string> patterns, bool nfc, bool ignore_merges,
    bool glm) {
  for (const Rule& rule : kRules) {
    const auto end = std::find(rule.patterns.begin(), rule.patterns.end(), "");
    if (rule.nfc == nfc && rule.ignore_merges == ignore_merges &&
        rule.glm_start == glm &&
        std::equal(rule.patterns.begin(), end, patterns.begin(),
                   patterns.end())) {
      return rule.names[0];
    }
  }
  return std::nullopt;
}

}  // namespace ram
