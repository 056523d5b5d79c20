// The keys and values of a segment in one layer, after those of its parents.
#pragma once

#include <vector>

#include "ram/evaluation/key_values.h"

namespace ram {

class SegmentKeyValues : public KeyValues {
 public:
  // `room` holds all rows of the segment, and belongs to the caller. `parent`
  // must have all of its rows before the first Append, and stay.
  SegmentKeyValues(KeyValueShape shape, KeyValueRows room,
                   const SegmentKeyValues* parent)
      : shape_(shape), room_(room), parent_(parent) {}

  KeyValueRows Append(uint64_t rows) override {
    if (spans_.empty()) {
      if (parent_) spans_ = parent_->spans_;
      spans_.push_back(room_);
      spans_.back().rows = 0;
    }
    const uint64_t before = spans_.back().rows;
    spans_.back().rows += rows;
    KeyValueRows added = {room_.keys + before * shape_.key_width, nullptr,
                          rows};
    if (room_.values) {
      added.values = room_.values + before * shape_.value_width;
    }
    return added;
  }
  std::span<const KeyValueRows> All() const override { return spans_; }

 private:
  KeyValueShape shape_;
  KeyValueRows room_;
  const SegmentKeyValues* parent_;
  std::vector<KeyValueRows> spans_;
};

}  // namespace ram
