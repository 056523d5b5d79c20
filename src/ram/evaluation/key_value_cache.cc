#include "ram/evaluation/key_value_cache.h"

#include <algorithm>

namespace ram {
namespace {

constexpr uint64_t kBlockRows = 256;

}  // namespace

KeyValueRows CachedKeyValues::Append(uint64_t rows) {
  if (blocks_.empty() || all_.back().rows + rows > blocks_.back().capacity) {
    const uint64_t capacity = std::max(kBlockRows, rows);
    const uint64_t width = shape_.key_width + shape_.value_width;
    blocks_.push_back({std::make_unique<float[]>(capacity * width), capacity});
    float* keys = blocks_.back().floats.get();
    float* values =
        shape_.value_width > 0 ? keys + capacity * shape_.key_width : nullptr;
    all_.push_back({keys, values, 0});
  }
  KeyValueRows& block = all_.back();
  KeyValueRows room = block;
  room.keys += block.rows * shape_.key_width;
  if (room.values) room.values += block.rows * shape_.value_width;
  room.rows = rows;
  block.rows += rows;
  return room;
}

}  // namespace ram
