#include "ram/tokenizer/added_tokens.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/component_json.h"
#include "ram/tokenizer/unicode.h"
#include "ram/tokenizer/vocabulary.h"

namespace ram {
namespace {

// The bytes of white space at the end, and at the start, of `text`.
size_t SpaceBytesAtEnd(std::string_view text) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    const CodePoint c = LastCodePoint(text.substr(0, text.size() - bytes));
    if (!IsWhiteSpace(c.value)) break;
    bytes += c.bytes;
  }
  return bytes;
}

size_t SpaceBytesAtStart(std::string_view text) {
  size_t bytes = 0;
  while (bytes < text.size()) {
    const CodePoint c = FirstCodePoint(text.substr(bytes));
    if (!IsWhiteSpace(c.value)) break;
    bytes += c.bytes;
  }
  return bytes;
}

bool IsSingleWord(std::string_view text, size_t begin, size_t end) {
  if (begin > 0 && IsWord(LastCodePoint(text.substr(0, begin)).value)) {
    return false;
  }
  return end == text.size() || !IsWord(FirstCodePoint(text.substr(end)).value);
}

}  // namespace

std::vector<AddedToken> ReadAddedTokens(const Json& tokens,
                                        std::string_view source) {
  std::vector<AddedToken> result;
  if (tokens.is_null()) return result;
  const std::string where = fmt::format("{}: added_tokens", source);
  if (!tokens.is_array()) {
    Fail(ErrorKind::kCorrupt, "{}: found {}, expected an array", where,
         tokens.type_name());
  }
  for (const Json& description : tokens) {
    if (!description.is_object()) {
      Fail(ErrorKind::kCorrupt, "{}: found {}, expected an object", where,
           description.type_name());
    }
    AddedToken token;
    token.text = StringField(description, "content", where);
    if (token.text.empty()) continue;
    const uint64_t id = UintField(description, "id", where);
    if (id >= Vocabulary::kMaxIds) {
      Fail(ErrorKind::kUnsupported,
           "{}: '{}': found id {}, expected less than {}", where,
           token.text.substr(0, 80), id, Vocabulary::kMaxIds);
    }
    token.id = static_cast<TokenId>(id);
    token.special = BoolField(description, "special", where);
    token.single_word = BoolField(description, "single_word", where);
    token.left_strip = BoolField(description, "lstrip", where);
    token.right_strip = BoolField(description, "rstrip", where);
    token.normalized = BoolField(description, "normalized", where);
    result.push_back(std::move(token));
  }
  return result;
}

AddedTokenFinder::AddedTokenFinder(std::vector<Pattern> patterns) {
  std::stable_sort(
      patterns.begin(), patterns.end(),
      [](const Pattern& a, const Pattern& b) { return a.text < b.text; });
  for (Pattern& pattern : patterns) {
    if (!patterns_.empty() && patterns_.back().text == pattern.text) {
      patterns_.back() = std::move(pattern);
    } else {
      patterns_.push_back(std::move(pattern));
    }
  }
  first_.assign(257, static_cast<uint32_t>(patterns_.size()));
  for (size_t i = patterns_.size(); i-- > 0;) {
    first_[static_cast<uint8_t>(patterns_[i].text[0])] =
        static_cast<uint32_t>(i);
  }
  for (size_t byte = 256; byte-- > 0;) {
    first_[byte] = std::min(first_[byte], first_[byte + 1]);
  }
}

AddedTokenFinder::Match AddedTokenFinder::LongestAt(std::string_view text,
                                                    size_t at) const {
  const auto byte = static_cast<uint8_t>(text[at]);
  auto low = patterns_.begin() + first_[byte];
  auto high = patterns_.begin() + first_[byte + 1];
  Match longest;
  // All of [low, high) begin with text[at, at + length).
  for (size_t length = 1; low != high; ++length) {
    if (low->text.size() == length) {
      longest = {at + length, low->token};
      ++low;
    }
    if (at + length == text.size()) break;
    const char next = text[at + length];
    low = std::partition_point(low, high, [&](const Pattern& pattern) {
      return static_cast<uint8_t>(pattern.text[length]) <
             static_cast<uint8_t>(next);
    });
    high = std::partition_point(low, high, [&](const Pattern& pattern) {
      return pattern.text[length] == next;
    });
  }
  return longest;
}

std::vector<AddedTokenFinder::Section> AddedTokenFinder::Cut(
    std::string_view text, bool special) const {
  std::vector<Section> sections;
  size_t done = 0;
  for (size_t at = 0; !patterns_.empty() && at < text.size();) {
    const auto byte = static_cast<uint8_t>(text[at]);
    if (first_[byte] == first_[byte + 1]) {
      ++at;
      continue;
    }
    const Match match = LongestAt(text, at);
    if (!match.token) {
      ++at;
      continue;
    }
    const AddedToken& token = *match.token;
    size_t begin = at;
    size_t end = match.end;
    at = end;
    if (token.special && !special) continue;
    if (token.single_word && !IsSingleWord(text, begin, end)) continue;
    if (token.left_strip) begin -= SpaceBytesAtEnd(text.substr(0, begin));
    if (token.right_strip) end += SpaceBytesAtStart(text.substr(end));
    if (done < begin) sections.push_back({text.substr(done, begin - done)});
    // A token before this one may have taken some or all of its space.
    begin = std::max(begin, done);
    done = std::max(end, done);
    sections.push_back({text.substr(begin, done - begin), &token});
  }
  if (done < text.size()) sections.push_back({text.substr(done)});
  return sections;
}

}  // namespace ram
