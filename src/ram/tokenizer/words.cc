#include "ram/tokenizer/words.h"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

struct Part {
  size_t begin;
  size_t end;
  bool is_match;
};

void MergeContiguous(std::vector<Part>& parts) {
  size_t kept = 0;
  for (size_t i = 1; i < parts.size(); ++i) {
    if (parts[i].is_match == parts[kept].is_match) {
      parts[kept].end = parts[i].end;
    } else {
      parts[++kept] = parts[i];
    }
  }
  parts.resize(std::min(parts.size(), kept + 1));
}

// A match joins the part before it unless that is a match, too. `parts` may
// be in reverse order, for the part after it.
void MergeWithNeighbour(std::vector<Part>& parts) {
  std::vector<Part> merged;
  bool previous_match = false;
  for (const Part& part : parts) {
    if (part.is_match && !previous_match && !merged.empty()) {
      merged.back().begin = std::min(merged.back().begin, part.begin);
      merged.back().end = std::max(merged.back().end, part.end);
    } else {
      merged.push_back(part);
    }
    previous_match = part.is_match;
  }
  parts = std::move(merged);
}

void ApplyBehavior(SplitBehavior behavior, std::vector<Part>& parts) {
  switch (behavior) {
    case SplitBehavior::kRemoved:
      std::erase_if(parts, [](const Part& part) { return part.is_match; });
      return;
    case SplitBehavior::kIsolated:
      return;
    case SplitBehavior::kMergedWithPrevious:
      return MergeWithNeighbour(parts);
    case SplitBehavior::kMergedWithNext:
      std::reverse(parts.begin(), parts.end());
      MergeWithNeighbour(parts);
      std::reverse(parts.begin(), parts.end());
      return;
    case SplitBehavior::kContiguous:
      return MergeContiguous(parts);
  }
}

// Cuts every word into what find_parts(text, parts) says, which covers it.
template <typename FindParts>
void Split(SplitBehavior behavior, const FindParts& find_parts, Words& words) {
  std::vector<Word> result;
  result.reserve(words.words.size());
  std::vector<Part> parts;
  for (const Word& word : words.words) {
    parts.clear();
    find_parts(words.View(word), parts);
    ApplyBehavior(behavior, parts);
    for (const Part& part : parts) {
      if (part.begin == part.end) continue;
      result.push_back({word.begin + part.begin, word.begin + part.end,
                        word.at_start && part.begin == 0});
    }
  }
  words.words = std::move(result);
}

}  // namespace

void SplitWords(const Regex& regex, SplitBehavior behavior, bool invert,
                Words& words) {
  Regex::Matcher matcher(regex);
  Split(
      behavior,
      [&](std::string_view text, std::vector<Part>& parts) {
        matcher.Start(text);
        size_t previous = 0;
        size_t begin = 0;
        size_t end = 0;
        while (matcher.Next(begin, end)) {
          if (previous != begin) parts.push_back({previous, begin, invert});
          parts.push_back({begin, end, !invert});
          previous = end;
        }
        if (previous != text.size()) {
          parts.push_back({previous, text.size(), invert});
        }
      },
      words);
}

void SplitWords(bool (*is_match)(char32_t), SplitBehavior behavior,
                Words& words) {
  Split(
      behavior,
      [&](std::string_view text, std::vector<Part>& parts) {
        size_t previous = 0;
        for (size_t at = 0; at < text.size();) {
          const CodePoint c = FirstCodePoint(text.substr(at));
          if (is_match(c.value)) {
            if (previous != at) parts.push_back({previous, at, false});
            parts.push_back({at, at + c.bytes, true});
            previous = at + c.bytes;
          }
          at += c.bytes;
        }
        if (previous != text.size()) {
          parts.push_back({previous, text.size(), false});
        }
      },
      words);
}

void RewriteWords(
    const std::function<void(std::string_view, bool, std::string&)>& rewrite,
    Words& words) {
  std::string text;
  text.reserve(words.text.size() + words.text.size() / 8);
  size_t kept = 0;
  for (const Word& word : words.words) {
    const size_t begin = text.size();
    rewrite(words.View(word), word.at_start, text);
    if (text.size() == begin) continue;
    words.words[kept++] = {begin, text.size(), word.at_start};
  }
  words.words.resize(kept);
  words.text = std::move(text);
}

}  // namespace ram
