#include "ram/tokenizer/charsmap.h"

#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

uint32_t LittleEndian(std::string_view bytes) {
  uint32_t value = 0;
  for (size_t i = 0; i < 4; ++i) {
    value |= uint32_t{static_cast<uint8_t>(bytes[i])} << (8 * i);
  }
  return value;
}

// The parts of a unit of the trie.
uint32_t Offset(uint32_t unit) {
  return (unit >> 10) << ((unit & (1U << 9)) >> 6);
}
uint32_t Label(uint32_t unit) { return unit & (1U << 31 | 0xFF); }
bool HasLeaf(uint32_t unit) { return (unit >> 8 & 1) != 0; }
uint32_t Value(uint32_t unit) { return unit & ~(1U << 31); }

}  // namespace

Charsmap::Charsmap(std::string_view blob, std::string_view source) {
  const uint32_t trie_bytes = blob.size() < 4 ? 0 : LittleEndian(blob);
  if (trie_bytes == 0 || trie_bytes % 4 != 0 || trie_bytes > blob.size() - 4) {
    Fail(ErrorKind::kCorrupt,
         "{}: precompiled_charsmap: found a trie of {} bytes in {}", source,
         trie_bytes, blob.size());
  }
  units_.reserve(trie_bytes / 4);
  for (size_t at = 4; at < 4 + size_t{trie_bytes}; at += 4) {
    units_.push_back(LittleEndian(blob.substr(at)));
  }
  replacements_ = blob.substr(4 + size_t{trie_bytes});
  if (FindInvalidUtf8(replacements_) ||
      (!replacements_.empty() && replacements_.back() != '\0')) {
    Fail(ErrorKind::kCorrupt,
         "{}: precompiled_charsmap: found replacements that are not UTF-8 "
         "with a zero byte each",
         source);
  }
}

Charsmap::Match Charsmap::LongestPrefix(std::string_view text) const {
  Match longest;
  size_t at = Offset(units_[0]);
  for (size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<uint8_t>(text[i]);
    at ^= byte;
    if (at >= units_.size() || Label(units_[at]) != byte) break;
    const uint32_t unit = units_[at];
    at ^= Offset(unit);
    if (at >= units_.size()) break;
    if (HasLeaf(unit)) longest = {i + 1, Value(units_[at])};
  }
  // Only whole characters can be replaced, by whole ones.
  const auto starts_character = [](std::string_view rest) {
    return rest.empty() || (static_cast<uint8_t>(rest[0]) & 0xC0) != 0x80;
  };
  if (longest.replacement >= replacements_.size() ||
      !starts_character(text.substr(longest.bytes)) ||
      !starts_character(
          std::string_view(replacements_).substr(longest.replacement))) {
    return {};
  }
  return longest;
}

std::string Charsmap::Apply(std::string text) const {
  std::string result;
  result.reserve(text.size());
  for (std::string_view rest = text; !rest.empty();) {
    const Match match = LongestPrefix(rest);
    if (match.bytes > 0) {
      result += replacements_.c_str() + match.replacement;
      rest.remove_prefix(match.bytes);
    } else {
      const size_t bytes = FirstCodePoint(rest).bytes;
      result += rest.substr(0, bytes);
      rest.remove_prefix(bytes);
    }
  }
  return result;
}

}  // namespace ram
