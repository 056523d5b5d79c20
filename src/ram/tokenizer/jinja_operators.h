// What operators of chat templates (chat_template.h) do, as in Python. Each
// throws kCorrupt for values that do not go together and for results that are
// too large.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ram/tokenizer/jinja_value.h"

namespace ram {

// Of all text that a template makes.
inline constexpr size_t kMaxJinjaText = size_t{16} << 20;

// op: + - * / // % ~
JinjaValue JinjaArithmetic(const std::string& op, const JinjaValue& a,
                           const JinjaValue& b);
// op: == != < > <= >= in, not in
bool CompareJinja(const std::string& op, const JinjaValue& a,
                  const JinjaValue& b);
// The places that [start:stop:step] takes of a sequence.
std::vector<size_t> JinjaSlicePlaces(size_t size, std::optional<int64_t> start,
                                     std::optional<int64_t> stop, int64_t step);

}  // namespace ram
