#include "ram/tokenizer/unigram.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

constexpr double kUnknownPenalty = 10;
constexpr uint32_t kUnknownEntry = ~uint32_t{0};

}  // namespace

struct Unigram::Step {
  double score = 0;
  size_t begin = 0;  // of the token that ends here
  uint32_t entry = kUnknownEntry;
  bool reached = false;

  void Offer(double other_score, size_t other_begin, uint32_t other_entry) {
    if (reached && other_score <= score) return;
    *this = {other_score, other_begin, other_entry, true};
  }
};

Unigram::Unigram(Vocabulary vocabulary, std::vector<double> scores,
                 const std::vector<bool>& is_text,
                 std::optional<TokenId> unknown, bool byte_fallback,
                 bool single_precision, std::string source)
    : vocabulary_(std::move(vocabulary)),
      scores_(std::move(scores)),
      unknown_(unknown),
      single_precision_(single_precision),
      source_(std::move(source)) {
  const auto& entries = vocabulary_.entries();
  double worst = std::numeric_limits<double>::infinity();
  for (uint32_t i = 0; i < entries.size(); ++i) {
    if (!std::isfinite(scores_[i])) {
      Fail(ErrorKind::kCorrupt, "{}: token '{}': found score {}", source_,
           entries[i].text.substr(0, 80), scores_[i]);
    }
    if (!is_text[i] || entries[i].text.empty()) continue;
    worst = std::min(worst, scores_[i]);
    sorted_.push_back(i);
  }
  unknown_score_ = Sum(worst, -kUnknownPenalty);
  std::stable_sort(sorted_.begin(), sorted_.end(), [&](uint32_t a, uint32_t b) {
    return entries[a].text < entries[b].text;
  });
  has_byte_tokens_ = byte_fallback;
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto id = vocabulary_.Find(fmt::format("<0x{:02X}>", byte));
    byte_tokens_[byte] = id.value_or(0);
    has_byte_tokens_ = has_byte_tokens_ && id.has_value();
  }
}

void Unigram::FillSteps(std::string_view word, std::vector<Step>& steps) const {
  const auto& entries = vocabulary_.entries();
  steps.assign(word.size() + 1, {});
  for (size_t at = 0; at < word.size();) {
    const size_t character_bytes = FirstCodePoint(word.substr(at)).bytes;
    const double before = steps[at].score;
    bool has_character = false;
    auto low = sorted_.begin();
    auto high = sorted_.end();
    // All of [low, high) begin with the `length` bytes of the word at `at`.
    for (size_t length = 0; low != high; ++length) {
      if (length > 0 && entries[*low].text.size() == length) {
        steps[at + length].Offer(Sum(before, scores_[*low]), at, *low);
        has_character = has_character || length == character_bytes;
        while (low != high && entries[*low].text.size() == length) ++low;
      }
      if (at + length == word.size()) break;
      const auto next = static_cast<uint8_t>(word[at + length]);
      const auto byte = [&](uint32_t i) {
        return static_cast<uint8_t>(entries[i].text[length]);
      };
      low = std::partition_point(low, high,
                                 [&](uint32_t i) { return byte(i) < next; });
      high = std::partition_point(low, high,
                                  [&](uint32_t i) { return byte(i) == next; });
    }
    if (!has_character) {
      steps[at + character_bytes].Offer(Sum(before, unknown_score_), at,
                                        kUnknownEntry);
    }
    at += character_bytes;
  }
}

void Unigram::EmitUnknown(std::string_view text,
                          std::vector<TokenId>& ids) const {
  if (has_byte_tokens_) {
    for (const char byte : text) {
      ids.push_back(byte_tokens_[static_cast<uint8_t>(byte)]);
    }
  } else if (unknown_) {
    ids.push_back(*unknown_);
  } else {
    Fail(ErrorKind::kCorrupt,
         "{}: found no unknown token, which the text '{}' needs", source_,
         text.substr(0, 80));
  }
}

void Unigram::EncodeWord(std::string_view word, std::vector<Step>& steps,
                         std::vector<TokenId>& ids) const {
  FillSteps(word, steps);
  std::vector<size_t> ends;
  for (size_t at = word.size(); at > 0; at = steps[at].begin) {
    ends.push_back(at);
  }
  size_t unknown_begin = 0;
  bool in_unknown = false;
  for (size_t i = ends.size(); i-- > 0;) {
    const Step& step = steps[ends[i]];
    // A token that is the unknown token's own text counts as unknown.
    const bool is_unknown = step.entry == kUnknownEntry;
    if (is_unknown && !in_unknown) unknown_begin = step.begin;
    if (!is_unknown && in_unknown) {
      EmitUnknown(word.substr(unknown_begin, step.begin - unknown_begin), ids);
    }
    in_unknown = is_unknown;
    if (!is_unknown) {
      ids.push_back(static_cast<TokenId>(vocabulary_.entries()[step.entry].id));
    }
  }
  if (in_unknown) EmitUnknown(word.substr(unknown_begin), ids);
}

void Unigram::Encode(const Words& words, std::vector<TokenId>& ids) const {
  std::vector<Step> steps;
  for (const Word& word : words.words) {
    EncodeWord(words.View(word), steps, ids);
  }
}

}  // namespace ram
