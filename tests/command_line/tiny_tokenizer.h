// A tokenizer of single letters for the tiny model: <s> is 0 and starts every
// text, then a..z, A..Z, space, line feed, full stop and colon, 57 in all.
#pragma once

#include <filesystem>
#include <fstream>
#include <string>

#include "ram/base/json.h"

namespace ram {

// Writes tokenizer.json. `first_id` is that of "a".
inline void WriteTinyTokenizer(const std::filesystem::path& model,
                               int first_id = 1) {
  Json vocabulary = {{"<s>", 0}};
  int id = first_id;
  for (char c = 'a'; c <= 'z'; ++c) vocabulary[std::string(1, c)] = id++;
  for (char c = 'A'; c <= 'Z'; ++c) vocabulary[std::string(1, c)] = id++;
  // Byte-level names of space and line feed.
  for (const char* text : {"\u0120", "\u010a", ".", ":"}) {
    vocabulary[text] = id++;
  }
  const Json byte_level = {{"type", "ByteLevel"},
                           {"add_prefix_space", false},
                           {"trim_offsets", false},
                           {"use_regex", false}};
  const Json start = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}};
  const Json text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json tokenizer = {
      {"version", "1.0"},
      {"added_tokens",
       {{{"id", 0},
         {"content", "<s>"},
         {"single_word", false},
         {"lstrip", false},
         {"rstrip", false},
         {"normalized", false},
         {"special", true}}}},
      {"normalizer", nullptr},
      {"pre_tokenizer", byte_level},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {start, text}},
        {"pair", {start, text}},
        {"special_tokens",
         {{"<s>", {{"id", "<s>"}, {"ids", {0}}, {"tokens", {"<s>"}}}}}}}},
      {"decoder", byte_level},
      {"model",
       {{"type", "BPE"},
        {"vocab", vocabulary},
        {"merges", Json::array()},
        {"unk_token", nullptr},
        {"byte_fallback", false}}}};
  std::ofstream(model / "tokenizer.json") << tokenizer.dump(1);
}

}  // namespace ram
