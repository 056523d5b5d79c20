#include "ram/tokenizer/gguf_splitting.h"

#include <algorithm>
#include <optional>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/tokenizer/added_tokens.h"
#include "ram/tokenizer/bpe.h"
#include "ram/tokenizer/component_json.h"
#include "ram/tokenizer/gguf_words.h"
#include "ram/tokenizer/pre_tokenizer.h"
#include "ram/tokenizer/word_cache.h"

namespace ram {
namespace {

// The steps of one of the two parts: of a Sequence, those in it.
std::vector<const Json*> StepsOf(const Json& part, const char* list) {
  if (part.is_null()) return {};
  if (part.value("type", "") != "Sequence") return {&part};
  std::vector<const Json*> steps;
  for (const Json& step : part[list]) {
    const auto inner = StepsOf(step, list);
    steps.insert(steps.end(), inner.begin(), inner.end());
  }
  return steps;
}

class Recogniser {
 public:
  Recogniser(const Json& tokenizer, std::string_view source)
      : source_(source),
        model_(Part(tokenizer, "model")),
        normalizer_(StepsOf(Part(tokenizer, "normalizer"), "normalizers")),
        splitting_(StepsOf(Part(tokenizer, "pre_tokenizer"), "pretokenizers")) {
    for (const AddedToken& token :
         ReadAddedTokens(Part(tokenizer, "added_tokens"), source)) {
      added_.push_back(token.text);
    }
  }

  GgufSplitting Recognise() const {
    RequireEmpty("continuing_subword_prefix");
    RequireEmpty("end_of_word_suffix");
    const bool byte_level = std::any_of(
        splitting_.begin(), splitting_.end(),
        [](const Json* step) { return TypeOf(*step) == "ByteLevel"; });
    return byte_level ? ByteLevel() : SentencePiece();
  }

 private:
  static const Json& Part(const Json& tokenizer, const char* key) {
    static const Json none;
    const auto found = tokenizer.find(key);
    return found == tokenizer.end() ? none : *found;
  }
  static std::string TypeOf(const Json& step) {
    const auto type = step.find("type");
    return type != step.end() && type->is_string() ? type->get<std::string>()
                                                   : "";
  }
  bool Flag(const Json& object, const char* key, bool otherwise) const {
    return OptionalBool(object, key, source_).value_or(otherwise);
  }

  [[noreturn]] void Refuse(const char* part, const Json& found) const {
    Fail(ErrorKind::kUnsupported,
         "{}: {}: found {}, which no tokenizer of llama.cpp that is known here "
         "does",
         source_, part, Excerpt(found, 120));
  }

  void RequireEmpty(const char* key) const {
    if (!OptionalString(model_, key, source_).value_or("").empty()) {
      Refuse(key, model_[key]);
    }
  }

  GgufSplitting ByteLevel() const {
    bool nfc = false;
    for (const Json* step : normalizer_) {
      if (TypeOf(*step) != "NFC") Refuse("normalizer", *step);
      nfc = true;
    }
    std::vector<std::string> patterns;
    for (const Json* step : splitting_) {
      const bool last = step == splitting_.back();
      patterns.push_back(PatternOf(*step, last));
      if (patterns.back().empty()) patterns.pop_back();
    }
    const bool ignore = Flag(model_, "ignore_merges", false);
    const Json& vocabulary = model_["vocab"];
    const bool glm = IsAddedOrKnown("[gMASK]") && IsAddedOrKnown("<sop>");
    for (const bool as_glm : {glm, false}) {
      if (auto name = FindGgufName(patterns, nfc, ignore, as_glm)) {
        return {true, std::string(*name), false};
      }
    }
    // Where every token comes about by merges, it does not matter whether a
    // word that is a token is looked up first.
    const auto name = FindGgufName(patterns, nfc, !ignore, false);
    if (name && EveryTokenMerges(vocabulary)) {
      return {true, std::string(*name), false};
    }
    Fail(ErrorKind::kUnsupported,
         "{}: pre_tokenizer: found words that are cut by {}{}{}, which no "
         "tokenizer of llama.cpp that is known here does",
         source_, Excerpt(patterns, 120), nfc ? " after NFC" : "",
         ignore ? " and merges that are ignored for whole words" : "");
  }

  bool IsAddedOrKnown(const char* text) const {
    if (model_["vocab"].contains(text)) return true;
    return std::find(added_.begin(), added_.end(), text) != added_.end();
  }

  // A step of byte-level splitting; empty where it cuts nothing.
  std::string PatternOf(const Json& step, bool last) const {
    const std::string type = TypeOf(step);
    if (last != (type == "ByteLevel")) Refuse("pre_tokenizer", step);
    if (type == "ByteLevel") {
      if (Flag(step, "add_prefix_space", true)) Refuse("pre_tokenizer", step);
      return Flag(step, "use_regex", true) ? std::string(kGpt2Pattern) : "";
    }
    if (type == "Digits" && Flag(step, "individual_digits", false)) {
      return R"(\p{N})";
    }
    if (type != "Split") Refuse("pre_tokenizer", step);
    const std::string behavior = StringField(step, "behavior", source_);
    const bool invert = Flag(step, "invert", false);
    // Removing what does not match is the same, as nothing does not match.
    const bool isolated = (behavior == "Isolated" && !invert) ||
                          (behavior == "Removed" && invert);
    const auto pattern = step.find("pattern");
    if (!isolated || pattern == step.end() || !pattern->contains("Regex")) {
      Refuse("pre_tokenizer", step);
    }
    return WithEscapes(StringField(*pattern, "Regex", source_));
  }

  // Line ends, which some files hold as they are, as others spell them.
  static std::string WithEscapes(const std::string& pattern) {
    std::string result;
    for (const char c : pattern) {
      if (c == '\r') {
        result += "\\r";
      } else if (c == '\n') {
        result += "\\n";
      } else {
        result += c;
      }
    }
    return result;
  }

  // Whether merges alone make every token of its own text.
  bool EveryTokenMerges(const Json& vocab) const {
    std::vector<Vocabulary::Entry> entries;
    for (const auto& [text, id] : vocab.items()) {
      entries.push_back({text, *AsUint64(id)});
    }
    const Bpe bpe(Vocabulary(std::move(entries), source_),
                  ReadBpeMerges(model_, source_), {}, source_);
    std::vector<TokenId> ids;
    for (const Vocabulary::Entry& entry : bpe.vocabulary().entries()) {
      Words words;
      words.text = entry.text;
      words.words.push_back({0, words.text.size(), true});
      ids.clear();
      bpe.Encode(words, ids);
      if (ids.size() != 1) return false;
    }
    return true;
  }

  static bool IsSpaceMark(const Json& step, const char* key) {
    const auto text = step.find(key);
    return text != step.end() && *text == kSpaceMark;
  }
  static bool IsString(const Json& step, std::string_view text) {
    const auto pattern = step.find("pattern");
    return pattern != step.end() && pattern->is_object() &&
           pattern->contains("String") && (*pattern)["String"] == text;
  }

  GgufSplitting SentencePiece() const {
    GgufSplitting result{false, "default", false};
    bool escapes = false;
    for (const Json* step : normalizer_) {
      const std::string type = TypeOf(*step);
      if (type == "Prepend" && IsSpaceMark(*step, "prepend") && !escapes) {
        result.space_prefix = true;
      } else if (type == "Replace" && IsString(*step, " ") &&
                 IsSpaceMark(*step, "content")) {
        escapes = true;
      } else {
        Refuse("normalizer", *step);
      }
    }
    for (const Json* step : splitting_) {
      const std::string type = TypeOf(*step);
      // Spaces are gone already.
      const bool idle = type == "Split" && IsString(*step, " ") && escapes;
      if (idle) continue;
      if (type != "Metaspace" || !IsSpaceMark(*step, "replacement")) {
        Refuse("pre_tokenizer", *step);
      }
      ReadMetaspace(*step, result);
      escapes = true;
    }
    if (!escapes) {
      Fail(ErrorKind::kUnsupported,
           "{}: found a tokenizer of neither bytes nor U+2581 for spaces, "
           "which no tokenizer of llama.cpp that is known here is",
           source_);
    }
    return result;
  }

  void ReadMetaspace(const Json& step, GgufSplitting& result) const {
    const auto scheme = OptionalString(step, "prepend_scheme", source_);
    const bool prefix =
        scheme ? *scheme != "never" : Flag(step, "add_prefix_space", true);
    result.space_prefix = result.space_prefix || prefix;
    if (!Flag(step, "split", true)) return;
    // Words end before U+2581; no token may go on behind it.
    for (const auto& [text, id] : model_["vocab"].items()) {
      if (text.find(kSpaceMark, 1) != text.npos) Refuse("pre_tokenizer", step);
    }
  }

  std::string source_;
  const Json& model_;
  std::vector<std::string> added_;
  std::vector<const Json*> normalizer_;
  std::vector<const Json*> splitting_;
};

}  // namespace

GgufSplitting RecogniseGgufSplitting(const Json& tokenizer,
                                     std::string_view source) {
  return Recogniser(tokenizer, source).Recognise();
}

}  // namespace ram
