// The order in which segments are computed: a forest cut into items that
// threads take one by one.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ram/evaluation/score.h"

namespace ram {

// Segments that are computed together, parents before children. What comes
// before them lies in the item itself or in items of earlier stages.
struct SegmentItem {
  uint64_t first_row = 0;
  uint64_t rows = 0;
  std::vector<uint32_t> segments;
};

struct SegmentPlan {
  std::vector<std::vector<SegmentItem>> stages;
  uint64_t rows = 0;  // all tokens; those of an item are consecutive rows
  // Per segment:
  std::vector<uint64_t> first_row;
  std::vector<uint64_t> position;  // of its first token
  std::vector<bool> kept;          // items of later stages come after it
  uint64_t positions = 0;          // the longest text

  // The segment that a row belongs to.
  uint32_t SegmentOf(uint64_t row, std::span<const Segment> segments) const;
};

// Items of up to `item_rows` tokens; more only where one segment has more,
// together with what continues it if that has no more than `item_rows`.
SegmentPlan PlanSegments(std::span<const Segment> segments, uint64_t item_rows);

}  // namespace ram
