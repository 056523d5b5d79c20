// A multiple-choice question as a language model sees it: which of several
// continuations of a context does it find most likely?
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/json.h"

namespace ram {

struct ChoiceItem {
  std::string id;
  std::string context;               // what comes before every choice
  std::vector<std::string> choices;  // a space comes before each
  size_t answer = 0;                 // index of the right choice
};

// Calls `line` for every line of a JSONL file that is not blank; `source` is
// "PATH line N", for messages. Throws kIo, kCorrupt.
void ForEachJsonLine(const std::filesystem::path& path,
                     const std::function<void(const Json& object,
                                              std::string_view source)>& line);

// object[key] as a list of two or more texts. Throws kCorrupt.
std::vector<std::string> TextList(const Json& object, const char* key,
                                  std::string_view source);

// Throws kCorrupt when the answer is none of the choices.
void CheckAnswer(const ChoiceItem& item, const char* key,
                 std::string_view source);

}  // namespace ram
