#include "ram/tokenizer/bpe.h"

#include <algorithm>
#include <queue>
#include <span>

#include "ram/base/error.h"
#include "ram/tokenizer/unicode.h"
#include "ram/tokenizer/word_cache.h"

namespace ram {
namespace {

constexpr uint32_t kNone = ~uint32_t{0};

std::string ByteTokenText(unsigned byte) {
  return fmt::format("<0x{:02X}>", byte);
}

}  // namespace

Bpe::Bpe(Vocabulary vocabulary, std::span<const Merge> merges,
         BpeOptions options, std::string_view source)
    : vocabulary_(std::move(vocabulary)),
      options_(std::move(options)),
      merges_(merges.size()),
      source_(source) {
  const auto find = [&](const std::string& text, size_t rank) {
    const auto id = vocabulary_.Find(text);
    if (!id) {
      Fail(ErrorKind::kCorrupt,
           "{}: merge {}: found token '{}', which is not in the vocabulary",
           source, rank, text.substr(0, 80));
    }
    return *id;
  };
  for (size_t rank = 0; rank < merges.size(); ++rank) {
    const auto& [left, right] = merges[rank];
    const TokenId left_id = find(left, rank);
    const TokenId right_id = find(right, rank);
    if (right.size() < options_.continuing_prefix.size()) {
      Fail(ErrorKind::kCorrupt,
           "{}: merge {}: found '{}', expected it to start with '{}'", source,
           rank, right, options_.continuing_prefix);
    }
    merges_.Insert(
        left_id, right_id,
        {static_cast<uint32_t>(rank),
         find(left + right.substr(options_.continuing_prefix.size()), rank)});
  }
  if (options_.unknown_token) {
    unknown_ = vocabulary_.Find(*options_.unknown_token);
  }
  for (unsigned byte = 0; byte < 256; ++byte) {
    byte_tokens_[byte] = vocabulary_.Find(ByteTokenText(byte));
  }
  words_apart_ =
      !options_.ignore_merges && options_.end_suffix.empty() &&
      options_.continuing_prefix.empty() && vocabulary_.Find(kSpaceMark) &&
      std::none_of(vocabulary_.entries().begin(), vocabulary_.entries().end(),
                   [](const Vocabulary::Entry& entry) {
                     return HasInnerSpaceMark(entry.text);
                   });
  single_.fill(-1);
  for (char32_t c = 0; c < single_.size(); ++c) {
    std::string text;
    AppendUtf8(c, text);
    single_[c] = vocabulary_.Find(text).value_or(-1);
  }
}

// The state of one call of Encode.
class Bpe::Encoder {
 public:
  Encoder(const Bpe& bpe, std::vector<TokenId>& ids)
      : bpe_(bpe), ids_(ids), cache_(ids) {}

  // `word` must stay where it is until the last word was added.
  void Add(std::string_view word) {
    if (bpe_.options_.ignore_merges) {
      if (const auto id = bpe_.vocabulary_.Find(word)) {
        ids_.push_back(*id);
        return;
      }
    }
    if (cache_.Append(word)) return;
    const size_t begin = ids_.size();
    Start(word);
    MergeAll();
    for (uint32_t at = symbols_.empty() ? kNone : 0; at != kNone;
         at = symbols_[at].next) {
      ids_.push_back(symbols_[at].id);
    }
    cache_.Remember(word, begin);
  }

 private:
  struct Symbol {
    TokenId id;
    uint32_t previous;
    uint32_t next;
    bool gone = false;  // merged into the one before
  };
  struct Candidate {
    uint32_t rank;
    uint32_t at;  // of the left symbol
    TokenId merged;

    // The first of a queue is the smallest rank, then the leftmost.
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };

  void Push(TokenId id) {
    const auto at = static_cast<uint32_t>(symbols_.size());
    if (at > 0) symbols_.back().next = at;
    symbols_.push_back({id, at > 0 ? at - 1 : kNone, kNone});
  }

  // One symbol per character of `word`.
  void Start(std::string_view word) {
    symbols_.clear();
    const BpeOptions& options = bpe_.options_;
    const bool decorated =
        !options.continuing_prefix.empty() || !options.end_suffix.empty();
    pending_unknown_ = false;
    std::string text;
    for (std::string_view rest = word; !rest.empty();) {
      const CodePoint c = FirstCodePoint(rest);
      std::string_view character = rest.substr(0, c.bytes);
      if (decorated) {
        text = rest.size() == word.size() ? "" : options.continuing_prefix;
        text += character;
        if (rest.size() == c.bytes) text += options.end_suffix;
        character = text;
      }
      AddCharacter(c.value, character, decorated);
      rest.remove_prefix(c.bytes);
    }
    FlushUnknown();
  }

  void FlushUnknown() {
    if (pending_unknown_) Push(*bpe_.unknown_);
    pending_unknown_ = false;
  }

  void AddCharacter(char32_t c, std::string_view text, bool decorated) {
    std::optional<TokenId> id;
    if (!decorated && c < bpe_.single_.size()) {
      if (bpe_.single_[c] >= 0) id = bpe_.single_[c];
    } else {
      id = bpe_.vocabulary_.Find(text);
    }
    if (id) {
      FlushUnknown();
      Push(*id);
      return;
    }
    if (bpe_.options_.byte_fallback && AddBytes(text)) return;
    if (!bpe_.options_.unknown_token) return;  // without a token it is dropped
    if (!bpe_.unknown_) {
      Fail(ErrorKind::kCorrupt,
           "{}: unk_token: found '{}', which is not in the vocabulary",
           bpe_.source_, *bpe_.options_.unknown_token);
    }
    if (!bpe_.options_.fuse_unknown) FlushUnknown();
    pending_unknown_ = true;
  }

  bool AddBytes(std::string_view text) {
    const auto token = [&](char byte) {
      return bpe_.byte_tokens_[static_cast<uint8_t>(byte)];
    };
    const bool all = std::all_of(text.begin(), text.end(),
                                 [&](char byte) { return token(byte); });
    if (!all) return false;
    for (const char byte : text) Push(*token(byte));
    return true;
  }

  void Offer(uint32_t left) {
    const uint32_t right = symbols_[left].next;
    const auto* pair = bpe_.merges_.Find(symbols_[left].id, symbols_[right].id);
    if (pair) queue_.push({pair->rank, left, pair->merged});
  }

  // An entry of the queue may be older than its symbol: it counts if the pair
  // there now makes the same token.
  void MergeAll() {
    for (uint32_t at = 0; at + 1 < symbols_.size(); ++at) Offer(at);
    while (!queue_.empty()) {
      const Candidate best = queue_.top();
      queue_.pop();
      Symbol& left = symbols_[best.at];
      if (left.gone || left.next == kNone) continue;
      Symbol& right = symbols_[left.next];
      const auto* pair = bpe_.merges_.Find(left.id, right.id);
      if (!pair || pair->merged != best.merged) continue;
      left.id = best.merged;
      left.next = right.next;
      right.gone = true;
      if (left.next != kNone) {
        symbols_[left.next].previous = best.at;
        Offer(best.at);
      }
      if (left.previous != kNone) Offer(left.previous);
    }
  }

  const Bpe& bpe_;
  std::vector<TokenId>& ids_;
  std::vector<Symbol> symbols_;
  bool pending_unknown_ = false;  // seen and not yet a symbol
  std::priority_queue<Candidate> queue_;
  WordCache cache_;
};

void Bpe::Encode(const Words& words, std::vector<TokenId>& ids) const {
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
