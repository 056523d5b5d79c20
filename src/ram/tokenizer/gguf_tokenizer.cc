#include "ram/tokenizer/gguf_tokenizer.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/bpe.h"
#include "ram/tokenizer/gguf_token_type.h"
#include "ram/tokenizer/gguf_words.h"
#include "ram/tokenizer/score_bpe.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

class Reader {
 public:
  explicit Reader(const GgufMetadata& metadata)
      : metadata_(metadata), source_(metadata.source()) {}

  TokenizerParts Read() {
    const std::string model(Required("tokenizer.ggml.model"));
    ReadTokens();
    parts_.source = source_;
    if (model == "gpt2") {
      ReadByteLevel();
    } else if (model == "llama") {
      ReadSentencePiece();
    } else {
      Fail(ErrorKind::kUnsupported,
           "{}: tokenizer.ggml.model: found '{}', expected gpt2 or llama",
           source_, model.substr(0, 40));
    }
    AddEnds();
    const auto chat = metadata_.Text("tokenizer.chat_template");
    if (chat && FindInvalidUtf8(*chat)) {
      Fail(ErrorKind::kCorrupt,
           "{}: tokenizer.chat_template: found what is not UTF-8", source_);
    }
    parts_.chat_template = chat.value_or("");
    return std::move(parts_);
  }

 private:
  std::string_view Required(const std::string& key) const {
    const auto text = metadata_.Text(key);
    if (!text) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found nothing, expected a text",
           source_, key);
    }
    return *text;
  }

  void ReadTokens() {
    const GgufStrings* texts = metadata_.Strings("tokenizer.ggml.tokens");
    if (!texts || texts->size() == 0) {
      Fail(ErrorKind::kCorrupt, "{}: tokenizer.ggml.tokens: found none",
           source_);
    }
    types_ = metadata_.Ints("tokenizer.ggml.token_type")
                 .value_or(std::vector<int64_t>(texts->size(),
                                                GgufTokenType::kNormal));
    CheckCount("tokenizer.ggml.token_type", types_.size(), texts->size());
    for (size_t i = 0; i < texts->size(); ++i) {
      std::string text((*texts)[i]);
      if (FindInvalidUtf8(text)) {
        Fail(ErrorKind::kCorrupt,
             "{}: tokenizer.ggml.tokens: {}: found what is not UTF-8", source_,
             i);
      }
      const bool looked_for = types_[i] == GgufTokenType::kControl ||
                              types_[i] == GgufTokenType::kUserDefined;
      if (looked_for && !text.empty()) {
        parts_.added_tokens.push_back(
            {.text = text,
             .id = static_cast<TokenId>(i),
             .special = types_[i] == GgufTokenType::kControl});
      }
      entries_.push_back({std::move(text), i});
    }
  }

  void CheckCount(const char* key, size_t found, size_t expected) const {
    if (found != expected) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found {} elements, expected {}, one per token", source_,
           key, found, expected);
    }
  }

  void ReadByteLevel() {
    const std::string name(
        metadata_.Text("tokenizer.ggml.pre").value_or("default"));
    auto words = FindGgufWords(name);
    if (!words) {
      Fail(ErrorKind::kUnsupported,
           "{}: tokenizer.ggml.pre: found '{}', which is not known", source_,
           name.substr(0, 40));
    }
    BpeOptions options;
    options.ignore_merges = words->ignore_merges;
    const std::vector<Bpe::Merge> merges = ReadMerges();
    parts_.model =
        std::make_unique<Bpe>(Vocabulary(std::move(entries_), source_), merges,
                              std::move(options), source_);
    parts_.normalizer =
        MakeNormalizer(words->nfc ? Json{{"type", "NFC"}} : Json(), source_);
    parts_.pre_tokenizer = std::move(words->pre_tokenizer);
    parts_.decoder = MakeByteLevelDecoder();
    const bool said =
        metadata_.Bool("tokenizer.ggml.add_bos_token").value_or(true);
    if (words->glm_start && said) {
      const auto& vocabulary = parts_.model->vocabulary();
      for (const char* text : {"[gMASK]", "<sop>"}) {
        if (const auto id = vocabulary.Find(text)) {
          parts_.surrounding.before.push_back(*id);
        }
      }
    }
    add_start_ = words->add_start;
  }

  std::vector<Bpe::Merge> ReadMerges() const {
    const GgufStrings* lines = metadata_.Strings("tokenizer.ggml.merges");
    if (!lines) {
      Fail(ErrorKind::kCorrupt, "{}: tokenizer.ggml.merges: found nothing",
           source_);
    }
    std::vector<Bpe::Merge> merges;
    merges.reserve(lines->size());
    for (size_t i = 0; i < lines->size(); ++i) {
      const std::string_view line = (*lines)[i];
      // A token may start with a space, but none is empty.
      const size_t space = line.find(' ', 1);
      if (space == line.npos) {
        Fail(ErrorKind::kCorrupt,
             "{}: tokenizer.ggml.merges: {}: found '{}', expected two tokens",
             source_, i, line.substr(0, 80));
      }
      merges.emplace_back(line.substr(0, space), line.substr(space + 1));
    }
    return merges;
  }

  void ReadSentencePiece() {
    const auto scores = metadata_.Numbers("tokenizer.ggml.scores");
    if (!scores) {
      Fail(ErrorKind::kCorrupt, "{}: tokenizer.ggml.scores: found nothing",
           source_);
    }
    CheckCount("tokenizer.ggml.scores", scores->size(), entries_.size());
    std::vector<float> narrow(scores->begin(), scores->end());
    std::vector<bool> is_text;
    std::optional<TokenId> unknown;
    for (size_t i = 0; i < types_.size(); ++i) {
      is_text.push_back(types_[i] == GgufTokenType::kNormal ||
                        types_[i] == GgufTokenType::kUserDefined);
      if (types_[i] == GgufTokenType::kUnknown)
        unknown = static_cast<TokenId>(i);
    }
    parts_.model = std::make_unique<ScoreBpe>(
        Vocabulary(std::move(entries_), source_), std::move(narrow), is_text,
        unknown, source_);
    const bool prefix =
        metadata_.Bool("tokenizer.ggml.add_space_prefix").value_or(true);
    Json steps = Json::array();
    if (prefix) steps.push_back({{"type", "Prepend"}, {"prepend", "\u2581"}});
    steps.push_back({{"type", "Replace"},
                     {"pattern", {{"String", " "}}},
                     {"content", "\u2581"}});
    parts_.normalizer =
        MakeNormalizer({{"type", "Sequence"}, {"normalizers", steps}}, source_);
    parts_.pre_tokenizer = MakeSequence({});
    parts_.decoder = MakeSentencePieceDecoder(prefix);
    add_start_ = true;
  }

  std::optional<TokenId> IdAt(const char* key) const {
    const auto id = metadata_.Uint(key);
    if (!id) return std::nullopt;
    if (*id >= types_.size()) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected less than {}",
           source_, key, *id, types_.size());
    }
    return static_cast<TokenId>(*id);
  }

  // The tokens at the start and the end of texts.
  void AddEnds() {
    const auto start = IdAt("tokenizer.ggml.bos_token_id");
    const auto end = IdAt("tokenizer.ggml.eos_token_id");
    SurroundingTokens& surrounding = parts_.surrounding;
    if (start && surrounding.before.empty() &&
        metadata_.Bool("tokenizer.ggml.add_bos_token").value_or(add_start_)) {
      surrounding.before.push_back(*start);
    }
    if (end && metadata_.Bool("tokenizer.ggml.add_eos_token").value_or(false)) {
      surrounding.after.push_back(*end);
    }
    AddEnd(end);
    AddEnd(IdAt("tokenizer.ggml.eot_token_id"));
    AddEnd(IdAt("tokenizer.ggml.eom_token_id"));
    // Most files name one end only and mean these, too.
    for (const AddedToken& token : parts_.added_tokens) {
      for (const char* text :
           {"<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>"}) {
        if (token.special && token.text == text) AddEnd(token.id);
      }
    }
  }

  void AddEnd(std::optional<TokenId> id) {
    auto& ends = parts_.end_tokens;
    if (id && std::find(ends.begin(), ends.end(), *id) == ends.end()) {
      ends.push_back(*id);
    }
  }

  const GgufMetadata& metadata_;
  const std::string& source_;
  TokenizerParts parts_;
  std::vector<Vocabulary::Entry> entries_;
  std::vector<int64_t> types_;
  bool add_start_ = false;
};

}  // namespace

TokenizerParts ReadGgufTokenizer(const GgufMetadata& metadata) {
  return Reader(metadata).Read();
}

}  // namespace ram
