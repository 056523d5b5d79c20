// Token texts and their ids.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ram/tokenizer/tokenizer.h"

namespace ram {

class Vocabulary {
 public:
  // No vocabulary in use has a tenth of this.
  static constexpr uint64_t kMaxIds = uint64_t{1} << 22;

  struct Entry {
    std::string text;
    uint64_t id = 0;
  };

  Vocabulary() = default;
  // Of several entries with one text, Find gives the first. Throws kCorrupt,
  // naming `source`, when two have one id, and kUnsupported when an id is
  // kMaxIds or more.
  Vocabulary(std::vector<Entry> entries, std::string_view source);

  std::optional<TokenId> Find(std::string_view text) const;
  // nullptr: no such id.
  const std::string* Text(TokenId id) const;
  size_t count() const { return entries_.size(); }
  // One more than the largest id.
  uint64_t id_limit() const { return by_id_.size(); }
  size_t longest_text_bytes() const { return longest_text_bytes_; }
  const std::vector<Entry>& entries() const { return entries_; }

 private:
  std::vector<Entry> entries_;
  std::unordered_map<std::string_view, TokenId> by_text_;
  std::vector<uint32_t> by_id_;  // index of the entry, plus one
  size_t longest_text_bytes_ = 0;
};

}  // namespace ram
