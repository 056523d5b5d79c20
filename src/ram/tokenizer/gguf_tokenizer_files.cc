#include "ram/tokenizer/gguf_tokenizer_files.h"

#include <algorithm>
#include <optional>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <utility>
#include <vector>

#include "ram/base/json.h"
#include "ram/tokenizer/gguf_token_type.h"
#include "ram/tokenizer/gguf_tokenizer.h"
#include "ram/tokenizer/gguf_words.h"

namespace ram {
namespace {

// A piece that two others make.
struct Merge {
  std::string_view left, right;
  size_t left_id = 0, right_id = 0;
  size_t left_length = 0, right_length = 0;  // in code points
  double score = 0;
};

bool StartsCodePoint(char c) {
  return (static_cast<unsigned char>(c) & 0xC0) != 0x80;
}

class FilesWriter {
 public:
  explicit FilesWriter(const GgufMetadata& metadata)
      : metadata_(metadata),
        parts_(ReadGgufTokenizer(metadata)),
        tokens_(*metadata.Strings("tokenizer.ggml.tokens")),
        byte_level_(metadata.Text("tokenizer.ggml.model") == "gpt2") {}

  std::map<std::string, std::string> Write() const {
    return {{"tokenizer.json", Tokenizer().dump() + "\n"},
            {"tokenizer_config.json", Config().dump(2) + "\n"},
            {"generation_config.json", Generation().dump(2) + "\n"}};
  }

 private:
  Json Tokenizer() const {
    Json json = {{"version", "1.0"},
                 {"truncation", nullptr},
                 {"padding", nullptr},
                 {"added_tokens", AddedTokens()},
                 {"post_processor", PostProcessor()}};
    Json vocabulary = Json::object();
    for (size_t i = 0; i < tokens_.size(); ++i) {
      vocabulary.emplace(tokens_[i], i);
    }
    Json& model = json["model"];
    model = {{"type", "BPE"},
             {"dropout", nullptr},
             {"unk_token", nullptr},
             {"continuing_subword_prefix", nullptr},
             {"end_of_word_suffix", nullptr},
             {"fuse_unk", !byte_level_},
             {"byte_fallback", !byte_level_},
             {"ignore_merges", false},
             {"vocab", std::move(vocabulary)}};
    if (byte_level_) {
      AddByteLevel(json);
    } else {
      AddSentencePiece(json);
    }
    return json;
  }

  Json AddedTokens() const {
    Json added = Json::array();
    for (const AddedToken& token : parts_.added_tokens) {
      added.push_back({{"id", token.id},
                       {"content", token.text},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false},
                       {"special", token.special}});
    }
    return added;
  }

  void AddByteLevel(Json& json) const {
    const auto words =
        FindGgufWords(metadata_.Text("tokenizer.ggml.pre").value_or("default"));
    Json steps = Json::array();
    for (const std::string_view pattern : words->patterns) {
      steps.push_back({{"type", "Split"},
                       {"pattern", {{"Regex", pattern}}},
                       {"behavior", "Isolated"},
                       {"invert", false}});
    }
    const Json bytes = {{"type", "ByteLevel"},
                        {"add_prefix_space", false},
                        {"trim_offsets", true},
                        {"use_regex", false}};
    steps.push_back(bytes);
    json["pre_tokenizer"] = {{"type", "Sequence"}, {"pretokenizers", steps}};
    json["normalizer"] = words->nfc ? Json{{"type", "NFC"}} : Json();
    json["decoder"] = bytes;
    json["model"]["ignore_merges"] = words->ignore_merges;
    Json merges = Json::array();
    const GgufStrings& lines = *metadata_.Strings("tokenizer.ggml.merges");
    for (size_t i = 0; i < lines.size(); ++i) {
      const size_t space = lines[i].find(' ', 1);
      merges.push_back({lines[i].substr(0, space), lines[i].substr(space + 1)});
    }
    json["model"]["merges"] = std::move(merges);
  }

  void AddSentencePiece(Json& json) const {
    const bool prefix =
        metadata_.Bool("tokenizer.ggml.add_space_prefix").value_or(true);
    Json before = Json::array();
    if (prefix) before.push_back({{"type", "Prepend"}, {"prepend", "▁"}});
    before.push_back({{"type", "Replace"},
                      {"pattern", {{"String", " "}}},
                      {"content", "▁"}});
    json["normalizer"] = {{"type", "Sequence"}, {"normalizers", before}};
    json["pre_tokenizer"] = nullptr;
    Json after = {
        {{"type", "Replace"}, {"pattern", {{"String", "▁"}}}, {"content", " "}},
        {{"type", "ByteFallback"}},
        {{"type", "Fuse"}}};
    if (prefix) {
      after.push_back(
          {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}});
    }
    json["decoder"] = {{"type", "Sequence"}, {"decoders", after}};
    if (const auto unknown = Text("unknown_token_id")) {
      json["model"]["unk_token"] = *unknown;
    }
    Json merges = Json::array();
    for (const Merge& merge : MergesByScore()) {
      merges.push_back({merge.left, merge.right});
    }
    json["model"]["merges"] = std::move(merges);
  }

  // Every way to cut a piece in two, best pieces first.
  std::vector<Merge> MergesByScore() const {
    const auto scores = *metadata_.Numbers("tokenizer.ggml.scores");
    const auto types = metadata_.Ints("tokenizer.ggml.token_type")
                           .value_or(std::vector<int64_t>(
                               tokens_.size(), GgufTokenType::kNormal));
    std::unordered_map<std::string_view, size_t> ids;
    for (size_t i = 0; i < tokens_.size(); ++i) ids.emplace(tokens_[i], i);
    std::vector<Merge> merges;
    for (size_t i = 0; i < tokens_.size(); ++i) {
      if (types[i] == GgufTokenType::kNormal) {
        AddCuts(tokens_[i], scores[i], ids, merges);
      }
    }
    std::stable_sort(merges.begin(), merges.end(),
                     [](const Merge& a, const Merge& b) {
                       if (a.score != b.score) return a.score > b.score;
                       if (a.left_length != b.left_length) {
                         return a.left_length > b.left_length;
                       }
                       return a.right_length > b.right_length;
                     });
    return merges;
  }

  static void AddCuts(std::string_view piece, double score,
                      const std::unordered_map<std::string_view, size_t>& ids,
                      std::vector<Merge>& merges) {
    const auto first = static_cast<std::ptrdiff_t>(merges.size());
    const auto length = static_cast<size_t>(
        std::count_if(piece.begin(), piece.end(), StartsCodePoint));
    size_t before = 1;
    for (size_t at = 1; at < piece.size(); ++at) {
      if (!StartsCodePoint(piece[at])) continue;
      const auto left = ids.find(piece.substr(0, at));
      const auto right = ids.find(piece.substr(at));
      if (left != ids.end() && right != ids.end()) {
        merges.push_back({left->first, right->first, left->second,
                          right->second, before, length - before, score});
      }
      ++before;
    }
    std::sort(merges.begin() + first, merges.end(),
              [](const Merge& a, const Merge& b) {
                return std::tie(a.left_id, a.right_id) <
                       std::tie(b.left_id, b.right_id);
              });
  }

  Json PostProcessor() const {
    const SurroundingTokens& around = parts_.surrounding;
    if (around.before.empty() && around.after.empty()) return nullptr;
    Json special = Json::object();
    const auto add = [&](const std::vector<TokenId>& ids, int type, Json& to) {
      for (const TokenId id : ids) {
        const std::string_view text = tokens_[static_cast<size_t>(id)];
        to.push_back({{"SpecialToken", {{"id", text}, {"type_id", type}}}});
        special[std::string(text)] = {{"id", text},
                                      {"ids", Json::array({id})},
                                      {"tokens", Json::array({text})}};
      }
    };
    const auto text = [&](const char* name, int type, Json& to) {
      add(around.before, type, to);
      to.push_back({{"Sequence", {{"id", name}, {"type_id", type}}}});
      add(around.after, type, to);
    };
    Json single = Json::array(), pair = Json::array();
    text("A", 0, single);
    text("A", 0, pair);
    text("B", 1, pair);
    return {{"type", "TemplateProcessing"},
            {"single", single},
            {"pair", pair},
            {"special_tokens", special}};
  }

  // The text of the token that a key of the metadata names.
  std::optional<std::string> Text(const char* key) const {
    const auto id = metadata_.Uint(std::string("tokenizer.ggml.") + key);
    if (!id || *id >= tokens_.size()) return std::nullopt;
    return std::string(tokens_[*id]);
  }

  Json Config() const {
    Json json = {{"tokenizer_class", "PreTrainedTokenizerFast"},
                 {"clean_up_tokenization_spaces", false},
                 {"add_bos_token", !parts_.surrounding.before.empty()},
                 {"add_eos_token", !parts_.surrounding.after.empty()}};
    for (const auto& [name, key] : {std::pair{"bos_token", "bos_token_id"},
                                    {"eos_token", "eos_token_id"},
                                    {"unk_token", "unknown_token_id"},
                                    {"pad_token", "padding_token_id"}}) {
      if (const auto text = Text(key)) json[name] = *text;
    }
    if (!parts_.chat_template.empty()) {
      json["chat_template"] = parts_.chat_template;
    }
    return json;
  }

  Json Generation() const {
    Json json = {{"eos_token_id", parts_.end_tokens}};
    for (const auto& [name, key] :
         {std::pair{"bos_token_id", "tokenizer.ggml.bos_token_id"},
          {"pad_token_id", "tokenizer.ggml.padding_token_id"}}) {
      if (const auto id = metadata_.Uint(key)) json[name] = *id;
    }
    return json;
  }

  const GgufMetadata& metadata_;
  const TokenizerParts parts_;
  const GgufStrings& tokens_;
  const bool byte_level_;
};

}  // namespace

std::map<std::string, std::string> GgufTokenizerFiles(
    const GgufMetadata& metadata) {
  return FilesWriter(metadata).Write();
}

}  // namespace ram
