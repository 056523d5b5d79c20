#include "ram/tokenizer/pre_tokenizer.h"

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/tokenizer/byte_alphabet.h"
#include "ram/tokenizer/component_json.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

class ByteLevel : public PreTokenizer {
 public:
  ByteLevel(bool add_prefix_space, bool use_regex)
      : add_prefix_space_(add_prefix_space) {
    if (use_regex) regex_.emplace(kGpt2Pattern, "ByteLevel");
  }

  void Apply(Words& words) const override {
    if (add_prefix_space_) {
      RewriteWords(
          [](std::string_view word, bool, std::string& out) {
            if (word[0] != ' ') out += ' ';
            out += word;
          },
          words);
    }
    if (regex_) SplitWords(*regex_, SplitBehavior::kIsolated, false, words);
    RewriteWords([](std::string_view word, bool,
                    std::string& out) { AppendByteLevel(word, out); },
                 words);
  }

 private:
  bool add_prefix_space_;
  std::optional<Regex> regex_;
};

class RegexSplit : public PreTokenizer {
 public:
  RegexSplit(Regex regex, SplitBehavior behavior, bool invert)
      : regex_(std::move(regex)), behavior_(behavior), invert_(invert) {}
  void Apply(Words& words) const override {
    SplitWords(regex_, behavior_, invert_, words);
  }

 private:
  Regex regex_;
  SplitBehavior behavior_;
  bool invert_;
};

class PropertySplit : public PreTokenizer {
 public:
  PropertySplit(bool (*property)(char32_t), SplitBehavior behavior)
      : property_(property), behavior_(behavior) {}
  void Apply(Words& words) const override {
    SplitWords(property_, behavior_, words);
  }

 private:
  bool (*property_)(char32_t);
  SplitBehavior behavior_;
};

// Words of letters or of other characters, without the space between them.
class Whitespace : public PreTokenizer {
 public:
  void Apply(Words& words) const override {
    std::vector<Word> result;
    for (const Word& word : words.words) Cut(words, word, result);
    words.words = std::move(result);
  }

 private:
  static void Cut(const Words& words, const Word& word,
                  std::vector<Word>& result) {
    const std::string_view text = words.View(word);
    bool continues = false;
    bool last_is_word = false;
    for (size_t at = 0; at < text.size();) {
      const CodePoint c = FirstCodePoint(text.substr(at));
      if (IsWhiteSpace(c.value)) {
        continues = false;
      } else {
        const bool is_word = IsWord(c.value);
        if (!continues || is_word != last_is_word) {
          result.push_back({word.begin + at, 0, word.at_start && at == 0});
        }
        result.back().end = word.begin + at + c.bytes;
        continues = true;
        last_is_word = is_word;
      }
      at += c.bytes;
    }
  }
};

class Metaspace : public PreTokenizer {
 public:
  Metaspace(std::string replacement, std::string_view scheme, bool split,
            std::string_view source)
      : replacement_(std::move(replacement)),
        always_(scheme == "always"),
        first_(scheme == "first") {
    if (!always_ && !first_ && scheme != "never") {
      Fail(ErrorKind::kCorrupt,
           "{}: prepend_scheme: found '{}', expected first, never or always",
           source, scheme.substr(0, 40));
    }
    if (split) regex_ = Regex::Literal(replacement_, source);
  }

  void Apply(Words& words) const override {
    RewriteWords(
        [&](std::string_view word, bool at_start, std::string& out) {
          const bool starts = word[0] == ' ' || word.starts_with(replacement_);
          if (!starts && (always_ || (first_ && at_start))) {
            out += replacement_;
          }
          for (const char c : word) {
            if (c == ' ') {
              out += replacement_;
            } else {
              out += c;
            }
          }
        },
        words);
    if (regex_) {
      SplitWords(*regex_, SplitBehavior::kMergedWithNext, false, words);
    }
  }

 private:
  std::string replacement_;
  bool always_;
  bool first_;
  std::optional<Regex> regex_;
};

class FixedLength : public PreTokenizer {
 public:
  explicit FixedLength(uint64_t length) : length_(length) {}
  void Apply(Words& words) const override {
    std::vector<Word> result;
    for (const Word& word : words.words) {
      uint64_t count = length_;
      for (size_t at = word.begin; at < word.end;) {
        const bool starts = count == length_;
        if (starts) {
          result.push_back({at, at, word.at_start && at == word.begin});
        }
        count = starts ? 1 : count + 1;
        at += FirstCodePoint(std::string_view(words.text).substr(at)).bytes;
        result.back().end = at;
      }
    }
    words.words = std::move(result);
  }

 private:
  uint64_t length_;
};

class Sequence : public PreTokenizer {
 public:
  explicit Sequence(std::vector<std::unique_ptr<PreTokenizer>> steps)
      : steps_(std::move(steps)) {}
  void Apply(Words& words) const override {
    for (const auto& step : steps_) step->Apply(words);
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
};

SplitBehavior ParseBehavior(const std::string& name, std::string_view source) {
  if (name == "Removed") return SplitBehavior::kRemoved;
  if (name == "Isolated") return SplitBehavior::kIsolated;
  if (name == "MergedWithPrevious") return SplitBehavior::kMergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::kMergedWithNext;
  if (name == "Contiguous") return SplitBehavior::kContiguous;
  Fail(ErrorKind::kCorrupt,
       "{}: behavior: found '{}', expected Removed, Isolated, "
       "MergedWithPrevious, MergedWithNext or Contiguous",
       source, name.substr(0, 40));
}

std::unique_ptr<PreTokenizer> ReadMetaspace(const Json& description,
                                            std::string_view source) {
  const std::string scheme =
      OptionalString(description, "prepend_scheme", source).value_or("always");
  const bool add_space =
      OptionalBool(description, "add_prefix_space", source).value_or(true);
  // Older files have only add_prefix_space.
  if (!add_space && description.contains("prepend_scheme") &&
      scheme != "never") {
    Fail(ErrorKind::kCorrupt,
         "{}: prepend_scheme: found '{}' and add_prefix_space false", source,
         scheme.substr(0, 40));
  }
  return std::make_unique<Metaspace>(
      CodePointField(description, "replacement", source),
      add_space ? std::string_view(scheme) : "never",
      OptionalBool(description, "split", source).value_or(true), source);
}

std::unique_ptr<PreTokenizer> ReadSplit(const Json& description,
                                        std::string_view source) {
  return std::make_unique<RegexSplit>(
      PatternField(description, source),
      ParseBehavior(StringField(description, "behavior", source), source),
      BoolField(description, "invert", source));
}

std::unique_ptr<PreTokenizer> ReadCharDelimiter(const Json& description,
                                                std::string_view source) {
  return std::make_unique<RegexSplit>(
      Regex::Literal(CodePointField(description, "delimiter", source), source),
      SplitBehavior::kRemoved, false);
}

std::unique_ptr<PreTokenizer> ReadSequence(const Json& description,
                                           std::string_view source) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const Json& step : ListField(description, "pretokenizers", source)) {
    steps.push_back(MakePreTokenizer(step, source));
  }
  return MakeSequence(std::move(steps));
}

}  // namespace

std::unique_ptr<PreTokenizer> MakeByteLevel(bool add_prefix_space,
                                            bool use_regex) {
  return std::make_unique<ByteLevel>(add_prefix_space, use_regex);
}

std::unique_ptr<PreTokenizer> MakeSequence(
    std::vector<std::unique_ptr<PreTokenizer>> steps) {
  return std::make_unique<Sequence>(std::move(steps));
}

std::unique_ptr<PreTokenizer> MakeRegexSplits(
    std::span<const std::string_view> patterns, std::string_view source) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const std::string_view pattern : patterns) {
    steps.push_back(std::make_unique<RegexSplit>(
        Regex(pattern, source), SplitBehavior::kIsolated, false));
  }
  return MakeSequence(std::move(steps));
}

std::unique_ptr<PreTokenizer> MakePreTokenizer(const Json& description,
                                               std::string_view source) {
  if (description.is_null()) return MakeSequence({});
  const std::string type = ComponentType(description, "pre_tokenizer", source);
  const std::string where = fmt::format("{}: {}", source, type.substr(0, 40));
  if (type == "Sequence") return ReadSequence(description, source);
  if (type == "Split") return ReadSplit(description, where);
  if (type == "Metaspace") return ReadMetaspace(description, where);
  if (type == "CharDelimiterSplit") {
    return ReadCharDelimiter(description, where);
  }
  if (type == "ByteLevel") {
    return MakeByteLevel(
        BoolField(description, "add_prefix_space", where),
        OptionalBool(description, "use_regex", where).value_or(true));
  }
  if (type == "Digits") {
    return std::make_unique<PropertySplit>(
        &IsNumeric, BoolField(description, "individual_digits", where)
                        ? SplitBehavior::kIsolated
                        : SplitBehavior::kContiguous);
  }
  if (type == "Punctuation") {
    return std::make_unique<PropertySplit>(
        &IsPunctuation,
        ParseBehavior(
            OptionalString(description, "behavior", where).value_or("Isolated"),
            where));
  }
  if (type == "Whitespace") return std::make_unique<Whitespace>();
  if (type == "WhitespaceSplit") {
    return std::make_unique<PropertySplit>(&IsWhiteSpace,
                                           SplitBehavior::kRemoved);
  }
  if (type == "FixedLength") {
    const uint64_t length =
        OptionalUint(description, "length", where).value_or(5);
    if (length == 0) Fail(ErrorKind::kCorrupt, "{}: length: found 0", where);
    return std::make_unique<FixedLength>(length);
  }
  Fail(ErrorKind::kUnsupported,
       "{}: pre_tokenizer: found {}, which is not supported", source,
       type.substr(0, 40));
}

}  // namespace ram
