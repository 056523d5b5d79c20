// HellaSwag (Zellers et al. 2019, arXiv 1905.07830) as lm-evaluation-harness
// asks it.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "ram/evaluation/choice_item.h"

namespace ram {

inline constexpr int kHellaSwagShots = 10;

// Context or ending as the harness cleans it: stripped, " [title]" becomes
// ". ", [other brackets] vanish, two spaces become one (once).
std::string CleanHellaSwag(std::string_view text);

// "{activity_label}: {ctx_a} {ctx_b.capitalize()}", cleaned.
std::string HellaSwagContext(std::string_view activity_label,
                             std::string_view ctx_a, std::string_view ctx_b);

// One of:
// - the data set's own JSONL: {"activity_label", "ctx_a", "ctx_b", "endings",
//   "label"}, label a number or its digits, "ind" optional;
// - the same, cleaned: {"query", "choices", "gold"};
// - requests of lm-evaluation-harness, several lines an item, each with such a
//   cleaned {"doc"};
// - text, six lines an item: context, label, four endings (what llama.cpp
//   reads; cleaned another way).
// Throws kIo, and kCorrupt with the line and the field.
std::vector<ChoiceItem> ReadHellaSwag(const std::filesystem::path& path);

}  // namespace ram
