#include "ram/evaluation/segment_plan.h"

#include <algorithm>
#include <utility>

namespace ram {
namespace {

class Planner {
 public:
  Planner(std::span<const Segment> segments, uint64_t item_rows)
      : segments_(segments),
        item_rows_(item_rows),
        children_(segments.size()),
        tokens_(segments.size()) {
    plan_.first_row.resize(segments.size());
    plan_.position.resize(segments.size());
    plan_.kept.resize(segments.size(), false);
  }

  SegmentPlan Run() {
    std::vector<uint32_t> siblings = CountTokens();
    while (!siblings.empty()) {
      plan_.stages.emplace_back();
      std::vector<uint32_t> next;
      for (const uint32_t segment : siblings) Place(segment, next);
      Flush();
      siblings = std::move(next);
    }
    return std::move(plan_);
  }

 private:
  // Fills children_, positions and the tokens of whole subtrees; the roots.
  std::vector<uint32_t> CountTokens() {
    std::vector<uint32_t> roots;
    for (uint32_t i = 0; i < segments_.size(); ++i) {
      const int64_t parent = segments_[i].parent;
      if (parent < 0) {
        roots.push_back(i);
      } else {
        const auto before = static_cast<size_t>(parent);
        children_[before].push_back(i);
        plan_.position[i] =
            plan_.position[before] + segments_[before].tokens.size();
      }
      tokens_[i] = segments_[i].tokens.size();
      plan_.positions =
          std::max(plan_.positions, plan_.position[i] + tokens_[i]);
    }
    for (size_t i = segments_.size(); i-- > 0;) {
      if (segments_[i].parent < 0) continue;
      tokens_[static_cast<size_t>(segments_[i].parent)] += tokens_[i];
    }
    return roots;
  }

  void Place(uint32_t segment, std::vector<uint32_t>& next) {
    if (tokens_[segment] - segments_[segment].tokens.size() <= item_rows_) {
      if (item_.rows + tokens_[segment] > item_rows_) Flush();
      AddTree(segment);
      return;
    }
    Flush();
    Add(segment);
    Flush();
    plan_.kept[segment] = !children_[segment].empty();
    next.insert(next.end(), children_[segment].begin(),
                children_[segment].end());
  }

  // Not recursive: a chain of segments may be long.
  void AddTree(uint32_t root) {
    std::vector<uint32_t> left = {root};
    while (!left.empty()) {
      const uint32_t segment = left.back();
      left.pop_back();
      Add(segment);
      left.insert(left.end(), children_[segment].rbegin(),
                  children_[segment].rend());
    }
  }

  void Add(uint32_t segment) {
    plan_.first_row[segment] = item_.first_row + item_.rows;
    item_.segments.push_back(segment);
    item_.rows += segments_[segment].tokens.size();
  }

  void Flush() {
    if (item_.segments.empty()) return;
    plan_.rows += item_.rows;
    plan_.stages.back().push_back(std::move(item_));
    item_ = SegmentItem();
    item_.first_row = plan_.rows;
  }

  std::span<const Segment> segments_;
  uint64_t item_rows_;
  std::vector<std::vector<uint32_t>> children_;
  std::vector<uint64_t> tokens_;  // of the segment and all that follow it
  SegmentPlan plan_;
  SegmentItem item_;
};

}  // namespace

uint32_t SegmentPlan::SegmentOf(uint64_t row,
                                std::span<const Segment> segments) const {
  for (uint32_t i = 0; i < segments.size(); ++i) {
    if (row >= first_row[i] && row - first_row[i] < segments[i].tokens.size()) {
      return i;
    }
  }
  return 0;
}

SegmentPlan PlanSegments(std::span<const Segment> segments,
                         uint64_t item_rows) {
  return Planner(segments, item_rows).Run();
}

}  // namespace ram
