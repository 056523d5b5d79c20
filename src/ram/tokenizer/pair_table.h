// Which token a pair of tokens makes, and how early it was learnt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ram/tokenizer/tokenizer.h"

namespace ram {

// An open-addressed hash table: a merge asks it two or three times per byte of
// text.
class PairTable {
 public:
  struct Result {
    uint32_t rank;
    TokenId merged;
  };

  // Room for `count` pairs.
  explicit PairTable(size_t count = 0) {
    size_t slots = 16;
    while (slots < 2 * count) slots *= 2;
    keys_.assign(slots, kEmpty);
    results_.resize(slots);
  }

  // Of two equal pairs the later one counts.
  void Insert(TokenId left, TokenId right, Result result) {
    const size_t slot = Slot(Key(left, right));
    keys_[slot] = Key(left, right);
    results_[slot] = result;
  }

  // nullptr: never learnt.
  const Result* Find(TokenId left, TokenId right) const {
    const size_t slot = Slot(Key(left, right));
    return keys_[slot] == kEmpty ? nullptr : &results_[slot];
  }

 private:
  static constexpr uint64_t kEmpty = ~uint64_t{0};

  static uint64_t Key(TokenId left, TokenId right) {
    return uint64_t{static_cast<uint32_t>(left)} << 32 |
           static_cast<uint32_t>(right);
  }

  // Where `key` is, or would be.
  size_t Slot(uint64_t key) const {
    uint64_t hash = key;  // the finalizer of MurmurHash3
    hash ^= hash >> 33;
    hash *= 0xFF51AFD7ED558CCD;
    hash ^= hash >> 33;
    hash *= 0xC4CEB9FE1A85EC53;
    hash ^= hash >> 33;
    size_t slot = hash & (keys_.size() - 1);
    while (keys_[slot] != kEmpty && keys_[slot] != key) {
      slot = (slot + 1) & (keys_.size() - 1);
    }
    return slot;
  }

  std::vector<uint64_t> keys_;
  std::vector<Result> results_;
};

}  // namespace ram
