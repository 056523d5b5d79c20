#include "ram/tokenizer/unicode.h"

#include <utf8proc.h>

#include "ram/tokenizer/recent_code_points.h"

namespace ram {
namespace {

// The length of the well-formed sequence at the start of `text`; 0: none.
size_t SequenceLength(std::string_view text) {
  const auto byte = [&](size_t i) {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : 0;
  };
  const auto continues = [&](size_t i) { return (byte(i) & 0xC0) == 0x80; };
  const int first = byte(0);
  const int second = byte(1);
  if (first < 0x80) return 1;
  if (first < 0xC2) return 0;
  if (first < 0xE0) return continues(1) ? 2 : 0;
  if (first < 0xF0) {
    if (first == 0xE0 && second < 0xA0) return 0;
    if (first == 0xED && second > 0x9F) return 0;
    return continues(1) && continues(2) ? 3 : 0;
  }
  if (first > 0xF4) return 0;
  if (first == 0xF0 && second < 0x90) return 0;
  if (first == 0xF4 && second > 0x8F) return 0;
  return continues(1) && continues(2) && continues(3) ? 4 : 0;
}

// The two letters of the general category.
std::string_view Category(char32_t c) {
  const std::string_view category =
      utf8proc_category_string(static_cast<utf8proc_int32_t>(c));
  if (category != "Cn") return category;
  for (const RecentRange& range : RecentRanges()) {
    if (c >= range.first && c <= range.last) return range.category;
  }
  return category;
}

// Other_Alphabetic that is neither a letter nor a mark: circled and squared
// Latin letters.
bool IsEnclosedLetter(char32_t c) {
  return (c >= 0x24B6 && c <= 0x24E9) || (c >= 0x1F130 && c <= 0x1F149) ||
         (c >= 0x1F150 && c <= 0x1F169) || (c >= 0x1F170 && c <= 0x1F189);
}

}  // namespace

std::optional<size_t> FindInvalidUtf8(std::string_view text) {
  size_t at = 0;
  while (at < text.size()) {
    if (static_cast<uint8_t>(text[at]) < 0x80) {
      ++at;
      continue;
    }
    const size_t length = SequenceLength(text.substr(at));
    if (length == 0) return at;
    at += length;
  }
  return std::nullopt;
}

std::string ReplaceInvalidUtf8(std::string_view text) {
  std::string out;
  while (const auto at = FindInvalidUtf8(text)) {
    out += text.substr(0, *at);
    AppendUtf8(0xFFFD, out);
    text.remove_prefix(*at + 1);
  }
  return out.append(text);
}

CodePoint FirstCodePoint(std::string_view text) {
  const auto byte = [&](size_t i) {
    return static_cast<char32_t>(static_cast<uint8_t>(text[i]));
  };
  const char32_t first = byte(0);
  if (first < 0x80) return {first, 1};
  if (first < 0xE0) return {(first & 0x1F) << 6 | (byte(1) & 0x3F), 2};
  if (first < 0xF0) {
    return {(first & 0x0F) << 12 | (byte(1) & 0x3F) << 6 | (byte(2) & 0x3F), 3};
  }
  return {(first & 0x07) << 18 | (byte(1) & 0x3F) << 12 |
              (byte(2) & 0x3F) << 6 | (byte(3) & 0x3F),
          4};
}

CodePoint LastCodePoint(std::string_view text) {
  size_t start = text.size() - 1;
  while ((static_cast<uint8_t>(text[start]) & 0xC0) == 0x80) --start;
  return FirstCodePoint(text.substr(start));
}

void AppendUtf8(char32_t c, std::string& text) {
  const auto put = [&](char32_t byte) {
    text.push_back(static_cast<char>(static_cast<uint8_t>(byte)));
  };
  if (c < 0x80) {
    put(c);
  } else if (c < 0x800) {
    put(0xC0 | c >> 6);
    put(0x80 | (c & 0x3F));
  } else if (c < 0x10000) {
    put(0xE0 | c >> 12);
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  } else {
    put(0xF0 | c >> 18);
    put(0x80 | (c >> 12 & 0x3F));
    put(0x80 | (c >> 6 & 0x3F));
    put(0x80 | (c & 0x3F));
  }
}

size_t CountCodePoints(std::string_view text) {
  size_t count = 0;
  for (const char byte : text) {
    count += (static_cast<uint8_t>(byte) & 0xC0) != 0x80;
  }
  return count;
}

bool IsWhiteSpace(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 ||
         c == 0x2029 || c == 0x202F || c == 0x205F || c == 0x3000;
}

bool IsNumeric(char32_t c) { return Category(c)[0] == 'N'; }

bool IsPunctuation(char32_t c) {
  if (c < 0x80) {
    return (c >= '!' && c <= '/') || (c >= ':' && c <= '@') ||
           (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
  }
  return Category(c)[0] == 'P';
}

bool IsMark(char32_t c) { return Category(c)[0] == 'M'; }

bool IsWord(char32_t c) {
  const std::string_view category = Category(c);
  return category[0] == 'L' || category[0] == 'M' || category == "Nd" ||
         category == "Nl" || category == "Pc" || IsEnclosedLetter(c) ||
         c == 0x200C || c == 0x200D;
}

}  // namespace ram
