// The AI2 Reasoning Challenge (Clark et al. 2018, arXiv 1803.05457) as
// lm-evaluation-harness asks it.
#pragma once

#include <filesystem>
#include <vector>

#include "ram/evaluation/choice_item.h"

namespace ram {

inline constexpr int kArcShots = 25;

// One JSON object a line: {"id", "question", "choices": [texts],
// "answer_index"}; the context is "Question: QUESTION\nAnswer:". Throws kIo,
// and kCorrupt with the line and the field.
std::vector<ChoiceItem> ReadArc(const std::filesystem::path& path);

}  // namespace ram
