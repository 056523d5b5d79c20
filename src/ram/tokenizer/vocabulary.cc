#include "ram/tokenizer/vocabulary.h"

#include <algorithm>
#include <utility>

#include "ram/base/error.h"

namespace ram {

Vocabulary::Vocabulary(std::vector<Entry> entries, std::string_view source)
    : entries_(std::move(entries)) {
  uint64_t limit = 0;
  for (const Entry& entry : entries_) {
    if (entry.id >= kMaxIds) {
      Fail(ErrorKind::kUnsupported,
           "{}: token '{}': found id {}, expected less than {}", source,
           entry.text.substr(0, 80), entry.id, kMaxIds);
    }
    limit = std::max(limit, entry.id + 1);
    longest_text_bytes_ = std::max(longest_text_bytes_, entry.text.size());
  }
  by_id_.resize(limit);
  by_text_.reserve(entries_.size());
  for (size_t i = 0; i < entries_.size(); ++i) {
    const Entry& entry = entries_[i];
    uint32_t& slot = by_id_[entry.id];
    if (slot != 0) {
      Fail(ErrorKind::kCorrupt,
           "{}: tokens '{}' and '{}': found one id, {}, for both", source,
           entries_[slot - 1].text.substr(0, 80), entry.text.substr(0, 80),
           entry.id);
    }
    slot = static_cast<uint32_t>(i + 1);
    by_text_.emplace(entry.text, static_cast<TokenId>(entry.id));
  }
}

std::optional<TokenId> Vocabulary::Find(std::string_view text) const {
  const auto found = by_text_.find(text);
  if (found == by_text_.end()) return std::nullopt;
  return found->second;
}

const std::string* Vocabulary::Text(TokenId id) const {
  if (id < 0 || static_cast<uint64_t>(id) >= by_id_.size()) return nullptr;
  const uint32_t slot = by_id_[static_cast<size_t>(id)];
  return slot == 0 ? nullptr : &entries_[slot - 1].text;
}

}  // namespace ram
