#include "ram/tokenizer/gguf_tokenizer_pairs.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/tokenizer/added_tokens.h"
#include "ram/tokenizer/bpe.h"
#include "ram/tokenizer/gguf_splitting.h"
#include "ram/tokenizer/gguf_token_type.h"
#include "ram/tokenizer/sentencepiece.h"
#include "ram/tokenizer/token_model.h"
#include "ram/tokenizer/tokenizer.h"
#include "ram/tokenizer/tokenizer_config.h"
#include "ram/tokenizer/tokenizer_json.h"
#include "ram/tokenizer/vocabulary.h"
#include "ram/tokenizer/word_cache.h"

namespace ram {
namespace {

namespace fs = std::filesystem;

// llama.cpp's converter gives this to tokens that no merge makes.
constexpr float kAddedScore = -1000;

struct Token {
  std::string text;
  int32_t type = GgufTokenType::kUnused;
  float score = -10'000;
};

// "<0x0A>"
bool IsByteToken(std::string_view text) {
  const auto is_hex = [](char c) {
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'F');
  };
  return text.size() == 6 && text.starts_with("<0x") && is_hex(text[3]) &&
         is_hex(text[4]) && text[5] == '>';
}

// Tokens for control that some files do not mark as special: the converter
// takes them for such by their looks, and runtimes expect it.
bool LooksSpecial(std::string_view text) {
  constexpr std::array<std::string_view, 4> kNames = {"<pad>", "<mask>",
                                                      "<2mass>", "[@BOS@]"};
  const auto between = [&](std::string_view begin, std::string_view end) {
    return text.starts_with(begin) && text.ends_with(end);
  };
  return std::find(kNames.begin(), kNames.end(), text) != kNames.end() ||
         between("<|", "|>") || between("<\uFF5C", "\uFF5C>") ||
         between("<unused", ">");
}

// Ends of texts and turns that readers of GGUF files know by their names.
bool IsKnownEnd(const Token& token) {
  constexpr std::array<std::string_view, 4> kNames = {
      "<|endoftext|>", "<|im_end|>", "<|eot_id|>", "<end_of_turn>"};
  return token.type == GgufTokenType::kControl &&
         std::find(kNames.begin(), kNames.end(), token.text) != kNames.end();
}

class PairsWriter {
 public:
  PairsWriter(const fs::path& directory, uint64_t rows)
      : directory_(directory),
        tokenizer_(Tokenizer::Open(directory)),
        config_(ReadTokenizerConfig(directory)),
        tokens_(rows) {}

  GgufPairs Write() {
    const fs::path json_path = directory_ / "tokenizer.json";
    if (fs::exists(json_path)) {
      source_ = json_path.string();
      ReadJson(ReadJsonFile(source_));
    } else {
      source_ = (directory_ / "tokenizer.model").string();
      ReadSentencePieces();
    }
    NameUnusedTokens();
    AddTokens();
    AddSpecialTokens();
    const std::string chat = tokenizer_->ChatTemplate();
    if (!chat.empty()) pairs_.AddText("tokenizer.chat_template", chat);
    return std::move(pairs_);
  }

 private:
  Token* At(uint64_t id) {
    return id < tokens_.size() ? &tokens_[id] : nullptr;
  }

  // A token of the model itself, which must have a row.
  Token& Put(std::string text, uint64_t id) {
    Token* const token = At(id);
    if (!token) {
      Fail(ErrorKind::kUnsupported,
           "{}: token '{}': found id {}, expected less than the {} rows of the "
           "embedding",
           source_, text.substr(0, 80), id, tokens_.size());
    }
    token->text = std::move(text);
    token->type = GgufTokenType::kNormal;
    return *token;
  }

  void PutAdded(std::string text, uint64_t id, bool special) {
    Token* const token = At(id);
    if (!token) return;
    if (token->type == GgufTokenType::kUnknown) return;
    const bool control = special || LooksSpecial(text);
    token->type =
        control ? GgufTokenType::kControl : GgufTokenType::kUserDefined;
    token->text =
        splitting_.byte_level || control ? std::move(text) : WithSpaces(text);
    token->score = kAddedScore;
  }

  void ReadJson(const Json& json) {
    const TokenizerParts parts = ReadTokenizerJson(json, source_);
    const Json& model = json["model"];
    const std::string type =
        OptionalString(model, "type", source_)
            .value_or(model.contains("merges") ? "BPE" : "Unigram");
    if (type != "BPE") {
      Fail(ErrorKind::kUnsupported,
           "{}: model: found {}, expected BPE (llama.cpp has no name for a "
           "language model's tokenizer of another kind)",
           source_, type);
    }
    splitting_ = RecogniseGgufSplitting(json, source_);
    const Vocabulary& vocabulary = parts.model->vocabulary();
    const bool bytes = !splitting_.byte_level &&
                       OptionalBool(model, "byte_fallback", source_) == true;
    for (const Vocabulary::Entry& entry : vocabulary.entries()) {
      Token& token = Put(entry.text, entry.id);
      if (bytes && IsByteToken(entry.text)) token.type = GgufTokenType::kByte;
    }
    for (const AddedToken& added : parts.added_tokens) {
      const auto id = vocabulary.Find(added.text).value_or(added.id);
      PutAdded(added.text, static_cast<uint64_t>(id), added.special);
    }
    const std::vector<Bpe::Merge> merges = ReadBpeMerges(model, source_);
    if (splitting_.byte_level) {
      TakeMerges(merges);
    } else {
      unknown_ = OptionalString(model, "unk_token", source_).value_or("");
      if (const auto id = vocabulary.Find(unknown_)) {
        tokens_[static_cast<size_t>(*id)].type = GgufTokenType::kUnknown;
      }
      ScoreByMerges(merges, vocabulary);
    }
  }

  void TakeMerges(const std::vector<Bpe::Merge>& merges) {
    for (const auto& [left, right] : merges) {
      if (left.find(' ') != left.npos || right.find(' ') != right.npos) {
        Fail(ErrorKind::kUnsupported,
             "{}: merges: found '{}' and '{}', expected no spaces in them",
             source_, left.substr(0, 80), right.substr(0, 80));
      }
      merges_.Add(fmt::format("{} {}", left, right));
    }
  }

  [[noreturn]] void FailMerges(std::string_view text, std::string_view why) {
    Fail(ErrorKind::kUnsupported,
         "{}: merges: found that those of '{}' {}, expected merges that follow "
         "from one score for each token (llama.cpp knows no others without "
         "ByteLevel)",
         source_, text.substr(0, 80), why);
  }

  // SentencePiece merges what makes the token of the highest score. That is the
  // same when all ways to make a token are merges, one after the other.
  void ScoreByMerges(const std::vector<Bpe::Merge>& merges,
                     const Vocabulary& vocabulary) {
    std::vector<uint32_t> ways(tokens_.size());
    std::optional<size_t> last;
    for (size_t i = 0; i < merges.size(); ++i) {
      const std::string text = merges[i].first + merges[i].second;
      const auto found = vocabulary.Find(text);
      if (!found) FailMerges(text, "make no token");
      const auto id = static_cast<size_t>(*found);
      Token& token = tokens_[id];
      if (ways[id] > 0 && last != id && token.type == GgufTokenType::kNormal) {
        FailMerges(text, "do not follow one another");
      }
      if (ways[id] == 0 && token.type == GgufTokenType::kNormal) {
        token.score = -static_cast<float>(i);
      }
      ++ways[id];
      last = id;
    }
    for (const Vocabulary::Entry& entry : vocabulary.entries()) {
      Token& token = tokens_[entry.id];
      if (token.type != GgufTokenType::kNormal) continue;
      if (ways[entry.id] != CountCuts(entry.text, vocabulary)) {
        FailMerges(entry.text, "are not all that there could be");
      }
      if (ways[entry.id] == 0) {
        token.score = -static_cast<float>(merges.size());
      }
    }
  }

  // In how many ways two tokens make this text.
  static uint32_t CountCuts(std::string_view text,
                            const Vocabulary& vocabulary) {
    uint32_t cuts = 0;
    for (size_t at = 1; at < text.size(); ++at) {
      if (vocabulary.Find(text.substr(0, at)) &&
          vocabulary.Find(text.substr(at))) {
        ++cuts;
      }
    }
    return cuts;
  }

  void ReadSentencePieces() {
    const std::string bytes = ReadTextFile(source_);
    const SentencePieceFile file = ReadSentencePieceFile(bytes, source_);
    if (file.model_type != 2 || !file.charsmap.empty() ||
        file.remove_extra_spaces) {
      Fail(
          ErrorKind::kUnsupported,
          "{}: found {}, expected BPE of the text as it is (llama.cpp does "
          "nothing else with SentencePiece's models)",
          source_,
          file.model_type != 2 ? "a unigram model" : "text that is normalized");
    }
    splitting_ = {false, "default", file.add_prefix};
    for (size_t i = 0; i < file.pieces.size(); ++i) {
      const SentencePiece& piece = file.pieces[i];
      Token& token = Put(piece.text, i);
      token.score = piece.score;
      token.type = static_cast<int32_t>(piece.type);
      if (piece.type == SentencePieceType::kUnknown) unknown_ = piece.text;
      if (piece.type == SentencePieceType::kUserDefined) {
        token.text = WithSpaces(piece.text);
      }
    }
    ReadAddedTokensBeside();
  }

  // Tokens that files beside tokenizer.model add: {"TEXT": ID}, or {"ID":
  // {"content": "TEXT", "special": BOOL}}.
  void ReadAddedTokensBeside() {
    const auto read = [&](const char* name) {
      const fs::path path = directory_ / name;
      return fs::exists(path) ? ReadJsonFile(path.string()) : Json();
    };
    const Json added = read("added_tokens.json");
    if (added.is_object()) {
      for (const auto& [text, value] : added.items()) {
        const auto id = AsUint64(value);
        if (!id) {
          Fail(ErrorKind::kCorrupt,
               "{}: added_tokens.json: '{}': expected an id",
               directory_.string(), text.substr(0, 80));
        }
        PutAdded(text, *id, false);
      }
    }
    const Json config = read("tokenizer_config.json");
    if (!config.is_object()) return;
    const auto decoder = config.find("added_tokens_decoder");
    if (decoder == config.end() || !decoder->is_object()) return;
    const std::string where = (directory_ / "tokenizer_config.json").string() +
                              ": added_tokens_decoder";
    for (const auto& [number, token] : decoder->items()) {
      uint64_t id = 0;
      const auto [end, error] =
          std::from_chars(number.data(), number.data() + number.size(), id);
      if (error != std::errc() || end != number.data() + number.size()) {
        Fail(ErrorKind::kCorrupt, "{}: found '{}', expected an id", where,
             number.substr(0, 40));
      }
      PutAdded(StringField(token, "content", where), id,
               OptionalBool(token, "special", where).value_or(false));
    }
  }

  void NameUnusedTokens() {
    std::unordered_set<std::string> texts;
    for (const Token& token : tokens_) texts.insert(token.text);
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (!tokens_[i].text.empty() || tokens_[i].type != GgufTokenType::kUnused)
        continue;
      std::string name = fmt::format("[PAD{}]", i);
      while (!texts.insert(name).second) name += '_';
      tokens_[i].text = std::move(name);
    }
  }

  void AddTokens() {
    const bool byte_level = splitting_.byte_level;
    pairs_.AddText("tokenizer.ggml.model", byte_level ? "gpt2" : "llama");
    pairs_.AddText("tokenizer.ggml.pre", splitting_.name);
    GgufStrings texts;
    std::vector<float> scores;
    std::vector<int32_t> types;
    for (const Token& token : tokens_) {
      texts.Add(token.text);
      scores.push_back(token.score);
      types.push_back(token.type);
    }
    pairs_.AddTexts("tokenizer.ggml.tokens", texts);
    if (!byte_level) pairs_.AddF32s("tokenizer.ggml.scores", scores);
    pairs_.AddI32s("tokenizer.ggml.token_type", types);
    if (byte_level) {
      pairs_.AddTexts("tokenizer.ggml.merges", merges_);
    } else {
      pairs_.AddBool("tokenizer.ggml.add_space_prefix",
                     splitting_.space_prefix);
    }
  }

  std::optional<TokenId> Find(const std::string& text) const {
    return text.empty() ? std::nullopt : tokenizer_->FindToken(text);
  }

  void AddId(const char* name, std::optional<TokenId> id) {
    if (!id || static_cast<uint64_t>(*id) >= tokens_.size()) return;
    pairs_.AddU32(fmt::format("tokenizer.ggml.{}_token_id", name),
                  static_cast<uint32_t>(*id));
  }

  void AddSpecialTokens() {
    const std::vector<TokenId> before = tokenizer_->StartTokens();
    const std::vector<TokenId> around =
        tokenizer_->Encode("", {.add_special = true});
    const std::vector<TokenId> after(
        around.begin() + static_cast<std::ptrdiff_t>(before.size()),
        around.end());
    // GLM's [gMASK]<sop> is known by the name of the splitting.
    const bool glm = splitting_.name == "glm4";
    if ((before.size() > 1 && !glm) || after.size() > 1) {
      Fail(ErrorKind::kUnsupported,
           "{}: found {} tokens before and {} after every text, expected at "
           "most one each (GGUF has no place for more)",
           source_, before.size(), after.size());
    }
    std::optional<TokenId> start = Find(config_.start_token);
    if (!before.empty()) start = before.front();
    if (!start) start = config_.start_id;
    AddId("bos", start);
    AddEnds(after);
    AddId(
        "unknown",
        Find(config_.unknown_token.empty() ? unknown_ : config_.unknown_token));
    AddId("padding", Find(config_.padding_token));
    pairs_.AddBool("tokenizer.ggml.add_bos_token", !before.empty());
    pairs_.AddBool("tokenizer.ggml.add_eos_token", !after.empty());
  }

  // The end of texts, and of turns and messages where they are others.
  void AddEnds(const std::vector<TokenId>& after) {
    std::vector<TokenId> ends = tokenizer_->EndTokens();
    std::optional<TokenId> end = Find(config_.end_token);
    if (!after.empty()) end = after.front();
    if (!end && !ends.empty()) end = ends.front();
    AddId("eos", end);
    std::array<std::pair<const char*, bool>, 2> others = {
        std::pair("eot", false), std::pair("eom", false)};
    for (const TokenId id : ends) {
      const Token* const token = At(static_cast<uint64_t>(id));
      if (id == end || !token || IsKnownEnd(*token)) continue;
      for (auto& [name, taken] : others) {
        if (taken) continue;
        taken = true;
        AddId(name, id);
        break;
      }
    }
  }

  const fs::path directory_;
  const std::unique_ptr<Tokenizer> tokenizer_;
  const TokenizerConfig config_;
  std::string source_;
  GgufSplitting splitting_;
  std::string unknown_;  // the text of the unknown token
  std::vector<Token> tokens_;
  GgufStrings merges_;
  GgufPairs pairs_;
};

}  // namespace

GgufPairs GgufTokenizerPairs(const fs::path& directory, uint64_t rows) {
  if (rows > Vocabulary::kMaxIds) {
    Fail(ErrorKind::kUnsupported,
         "{}: vocabulary: found {} rows, expected at most {}",
         directory.string(), rows, Vocabulary::kMaxIds);
  }
  if (!fs::exists(directory / "tokenizer.json") &&
      !fs::exists(directory / "tokenizer.model")) {
    GgufPairs pairs;
    pairs.AddText("tokenizer.ggml.model", "no_vocab");
    return pairs;
  }
  return PairsWriter(directory, rows).Write();
}

}  // namespace ram
