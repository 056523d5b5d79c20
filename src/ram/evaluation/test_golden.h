// For tests: the tiny models of tests/data/forward and texts to score.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "ram/evaluation/score.h"

namespace ram {

inline std::filesystem::path Golden(const std::string& name) {
  return std::filesystem::path(RAM_SOURCE_DIR) / "tests" / "data" / "forward" /
         name;
}

inline std::vector<Segment> Texts() {
  std::vector<Segment> segments;
  for (int32_t i = 0; i < 5; ++i) {
    Segment segment;
    for (int32_t j = 0; j < 30 + i; ++j) {
      segment.tokens.push_back((7 * i + j * j) % 96);
    }
    segments.push_back(segment);
  }
  return segments;
}

inline bool Same(const ModelScores& a, const ModelScores& b) {
  for (size_t i = 0; i < a.tokens.size(); ++i) {
    if (a.tokens[i].log_prob != b.tokens[i].log_prob) return false;
  }
  return a.tokens.size() == b.tokens.size();
}

}  // namespace ram
