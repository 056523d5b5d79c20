#include "ram/tokenizer/score_bpe.h"

#include <algorithm>
#include <cmath>
#include <queue>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/unicode.h"
#include "ram/tokenizer/word_cache.h"

namespace ram {
namespace {

constexpr uint32_t kNoSymbol = ~uint32_t{0};

}  // namespace

ScoreBpe::ScoreBpe(Vocabulary vocabulary, std::vector<float> scores,
                   const std::vector<bool>& is_text,
                   std::optional<TokenId> unknown, std::string source)
    : vocabulary_(std::move(vocabulary)),
      scores_(std::move(scores)),
      unknown_(unknown),
      source_(std::move(source)) {
  const auto& entries = vocabulary_.entries();
  for (uint32_t i = 0; i < entries.size(); ++i) {
    if (std::isnan(scores_[i])) {
      Fail(ErrorKind::kCorrupt, "{}: token '{}': found score nan", source_,
           entries[i].text.substr(0, 80));
    }
    if (!is_text[i] || entries[i].text.empty()) continue;
    by_text_.emplace(entries[i].text, i);
    longest_bytes_ = std::max(longest_bytes_, entries[i].text.size());
    words_apart_ = words_apart_ && !HasInnerSpaceMark(entries[i].text);
  }
  // A run of unknown characters ends at a space only if that is known.
  words_apart_ = words_apart_ && by_text_.contains(kSpaceMark);
  for (unsigned byte = 0; byte < 256; ++byte) {
    const auto id = vocabulary_.Find(fmt::format("<0x{:02X}>", byte));
    byte_tokens_[byte] = id.value_or(0);
    has_byte_tokens_ = has_byte_tokens_ && id.has_value();
  }
}

// The state of one call of Encode.
class ScoreBpe::Encoder {
 public:
  Encoder(const ScoreBpe& model, std::vector<TokenId>& ids)
      : model_(model), ids_(ids), cache_(ids) {}

  // `word` must stay where it is until the last word was added.
  void Add(std::string_view word) {
    if (cache_.Append(word)) return;
    const size_t begin = ids_.size();
    symbols_.clear();
    for (size_t at = 0; at < word.size();) {
      const size_t bytes = FirstCodePoint(word.substr(at)).bytes;
      const auto index = static_cast<uint32_t>(symbols_.size());
      if (index > 0) symbols_.back().next = index;
      symbols_.push_back({word.substr(at, bytes), index - 1, kNoSymbol});
      at += bytes;
    }
    MergeAll();
    bool after_unknown = false;
    for (uint32_t at = symbols_.empty() ? kNoSymbol : 0; at != kNoSymbol;
         at = symbols_[at].next) {
      after_unknown = Emit(symbols_[at].text, after_unknown);
    }
    cache_.Remember(word, begin);
  }

 private:
  struct Symbol {
    std::string_view text;  // empty: merged into the one before
    uint32_t previous;      // kNoSymbol for the first, as 0 - 1
    uint32_t next;
  };
  struct Candidate {
    float score;
    uint32_t left;
    size_t bytes;

    // The first of a queue is the highest score, then the leftmost.
    bool operator<(const Candidate& other) const {
      return score != other.score ? score < other.score : left > other.left;
    }
  };

  void Offer(uint32_t left) {
    const std::string_view a = symbols_[left].text;
    const std::string_view b = symbols_[symbols_[left].next].text;
    const std::string_view both(a.data(), a.size() + b.size());
    if (both.size() > model_.longest_bytes_) return;
    const auto found = model_.by_text_.find(both);
    if (found == model_.by_text_.end()) return;
    queue_.push({model_.scores_[found->second], left, both.size()});
  }

  void MergeAll() {
    for (uint32_t at = 0; at + 1 < symbols_.size(); ++at) Offer(at);
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      Symbol& left = symbols_[best.left];
      if (left.text.empty() || left.next == kNoSymbol) continue;
      Symbol& right = symbols_[left.next];
      // Older than one of its symbols.
      if (left.text.size() + right.text.size() != best.bytes) continue;
      left.text = std::string_view(left.text.data(), best.bytes);
      left.next = right.next;
      right.text = {};
      if (left.next != kNoSymbol) {
        symbols_[left.next].previous = best.left;
        Offer(best.left);
      }
      if (left.previous != kNoSymbol) Offer(left.previous);
    }
  }

  // Returns whether this was the unknown token, of which there is one in a row.
  bool Emit(std::string_view text, bool after_unknown) {
    const auto found = model_.by_text_.find(text);
    if (found != model_.by_text_.end()) {
      ids_.push_back(
          static_cast<TokenId>(model_.vocabulary_.entries()[found->second].id));
      return false;
    }
    if (model_.has_byte_tokens_) {
      for (const char byte : text) {
        ids_.push_back(model_.byte_tokens_[static_cast<uint8_t>(byte)]);
      }
      return false;
    }
    if (!model_.unknown_) {
      Fail(ErrorKind::kCorrupt,
           "{}: found neither an unknown token nor byte tokens for '{}'",
           model_.source_, text);
    }
    if (!after_unknown) ids_.push_back(*model_.unknown_);
    return true;
  }

  const ScoreBpe& model_;
  std::vector<TokenId>& ids_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Candidate> queue_;
  WordCache cache_;
};

void ScoreBpe::Encode(const Words& words, std::vector<TokenId>& ids) const {
  Encoder encoder(*this, ids);
  for (const Word& word : words.words) {
    const std::string_view text = words.View(word);
    for (size_t at = 0; at < text.size();) {
      const size_t end = words_apart_ ? NextMarkedWord(text, at) : text.size();
      encoder.Add(text.substr(at, end - at));
      at = end;
    }
  }
}

}  // namespace ram
