#include "ram/base/error.h"
#include "ram/evaluation/score.h"

namespace ram {

uint64_t ScoredTokens(std::span<const Segment> segments) {
  uint64_t count = 0;
  for (const Segment& segment : segments) {
    const uint64_t first = segment.parent < 0 && segment.first_scored == 0
                               ? 1
                               : segment.first_scored;
    if (first < segment.tokens.size()) count += segment.tokens.size() - first;
  }
  return count;
}

void CheckSegments(std::span<const Segment> segments, uint64_t vocabulary) {
  for (size_t i = 0; i < segments.size(); ++i) {
    const Segment& segment = segments[i];
    if (segment.tokens.empty()) {
      Fail(ErrorKind::kUsage,
           "segment {}: found no tokens, expected one or more", i);
    }
    if (segment.parent < -1 || segment.parent >= static_cast<int64_t>(i)) {
      Fail(ErrorKind::kUsage,
           "segment {}: found parent {}, expected an earlier segment or -1", i,
           segment.parent);
    }
    if (segment.first_scored > segment.tokens.size()) {
      Fail(ErrorKind::kUsage,
           "segment {}: found first_scored {}, expected at most {}", i,
           segment.first_scored, segment.tokens.size());
    }
    for (const int32_t token : segment.tokens) {
      if (token >= 0 && static_cast<uint64_t>(token) < vocabulary) continue;
      Fail(ErrorKind::kUsage,
           "segment {}: found token {}, expected less than the {} rows of the "
           "embedding",
           i, token, vocabulary);
    }
  }
}

}  // namespace ram
