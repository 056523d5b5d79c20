// The keys and values of one text, of every layer, while it is written.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ram/evaluation/key_values.h"

namespace ram {

// Of one layer; grows in blocks that are never moved.
class CachedKeyValues : public KeyValues {
 public:
  explicit CachedKeyValues(const KeyValueShape& shape) : shape_(shape) {}

  KeyValueRows Append(uint64_t rows) override;
  std::span<const KeyValueRows> All() const override { return all_; }

 private:
  struct Block {
    std::unique_ptr<float[]> floats;
    uint64_t capacity = 0;  // rows
  };
  KeyValueShape shape_;
  std::vector<Block> blocks_;
  std::vector<KeyValueRows> all_;  // parallel
};

}  // namespace ram
