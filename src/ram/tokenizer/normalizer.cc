#include "ram/tokenizer/normalizer.h"

#include <utf8proc.h>

#include <cstdlib>
#include <optional>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/tokenizer/byte_alphabet.h"
#include "ram/tokenizer/component_json.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

bool IsAscii(std::string_view text) {
  for (const char c : text) {
    if (static_cast<uint8_t>(c) >= 0x80) return false;
  }
  return true;
}

class NormalForm : public Normalizer {
 public:
  // UTF8PROC_COMPOSE or UTF8PROC_DECOMPOSE, with or without UTF8PROC_COMPAT.
  explicit NormalForm(int options)
      : options_(static_cast<utf8proc_option_t>(options | UTF8PROC_STABLE)) {}

  std::string Apply(std::string text) const override {
    if (IsAscii(text)) return text;
    utf8proc_uint8_t* mapped = nullptr;
    const utf8proc_ssize_t length = utf8proc_map(
        reinterpret_cast<const utf8proc_uint8_t*>(text.data()),
        static_cast<utf8proc_ssize_t>(text.size()), &mapped, options_);
    if (length < 0) {
      Fail(ErrorKind::kUnsupported, "normalizer: {}", utf8proc_errmsg(length));
    }
    std::string result(reinterpret_cast<const char*>(mapped),
                       static_cast<size_t>(length));
    std::free(mapped);
    return result;
  }

 private:
  utf8proc_option_t options_;
};

// Each code point by itself: final sigma is not special.
class Lowercase : public Normalizer {
 public:
  std::string Apply(std::string text) const override {
    std::string result;
    result.reserve(text.size());
    for (std::string_view rest = text; !rest.empty();) {
      const CodePoint c = FirstCodePoint(rest);
      rest.remove_prefix(c.bytes);
      if (c.value == 0x130) {  // the one with a longer lower case
        result += "i\xCC\x87";
      } else {
        AppendUtf8(static_cast<char32_t>(utf8proc_tolower(
                       static_cast<utf8proc_int32_t>(c.value))),
                   result);
      }
    }
    return result;
  }
};

class StripAccents : public Normalizer {
 public:
  std::string Apply(std::string text) const override {
    std::string result;
    for (std::string_view rest = text; !rest.empty();) {
      const CodePoint c = FirstCodePoint(rest);
      if (!IsMark(c.value)) result += rest.substr(0, c.bytes);
      rest.remove_prefix(c.bytes);
    }
    return result;
  }
};

class Strip : public Normalizer {
 public:
  Strip(bool left, bool right) : left_(left), right_(right) {}
  std::string Apply(std::string text) const override {
    std::string_view rest = text;
    while (left_ && !rest.empty()) {
      const CodePoint c = FirstCodePoint(rest);
      if (!IsWhiteSpace(c.value)) break;
      rest.remove_prefix(c.bytes);
    }
    while (right_ && !rest.empty()) {
      const CodePoint c = LastCodePoint(rest);
      if (!IsWhiteSpace(c.value)) break;
      rest.remove_suffix(c.bytes);
    }
    return std::string(rest);
  }

 private:
  bool left_;
  bool right_;
};

class Prepend : public Normalizer {
 public:
  explicit Prepend(std::string prefix) : prefix_(std::move(prefix)) {}
  std::string Apply(std::string text) const override {
    return text.empty() ? text : prefix_ + text;
  }

 private:
  std::string prefix_;
};

class Replace : public Normalizer {
 public:
  Replace(Regex pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  std::string Apply(std::string text) const override {
    return ReplaceMatches(pattern_, text, content_);
  }

 private:
  Regex pattern_;
  std::string content_;
};

// SentencePiece's own clean-up of control characters and rare spaces.
class Nmt : public Normalizer {
 public:
  std::string Apply(std::string text) const override {
    std::string result;
    for (std::string_view rest = text; !rest.empty();) {
      const CodePoint c = FirstCodePoint(rest);
      if (IsSpace(c.value)) {
        result += ' ';
      } else if (!IsRemoved(c.value)) {
        result += rest.substr(0, c.bytes);
      }
      rest.remove_prefix(c.bytes);
    }
    return result;
  }

 private:
  static bool IsRemoved(char32_t c) {
    return (c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) ||
           c == 0x7F || c == 0x8F || c == 0x9F;
  }
  static bool IsSpace(char32_t c) {
    return c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
           c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
  }
};

class ByteLevelNormalizer : public Normalizer {
 public:
  std::string Apply(std::string text) const override {
    std::string result;
    AppendByteLevel(text, result);
    return result;
  }
};

class SequenceNormalizer : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> steps)
      : steps_(std::move(steps)) {}
  std::string Apply(std::string text) const override {
    for (const auto& step : steps_) text = step->Apply(std::move(text));
    return text;
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> steps_;
};

std::unique_ptr<Normalizer> ReadSequenceNormalizer(const Json& description,
                                                   std::string_view source) {
  std::vector<std::unique_ptr<Normalizer>> steps;
  for (const Json& step : ListField(description, "normalizers", source)) {
    steps.push_back(MakeNormalizer(step, source));
  }
  return std::make_unique<SequenceNormalizer>(std::move(steps));
}

// The options of utf8proc for NFC and its kin; nullopt: another type.
std::optional<int> NormalFormOptions(const std::string& type) {
  if (type == "NFC") return UTF8PROC_COMPOSE;
  if (type == "NFD") return UTF8PROC_DECOMPOSE;
  if (type == "NFKC") return UTF8PROC_COMPOSE | UTF8PROC_COMPAT;
  if (type == "NFKD") return UTF8PROC_DECOMPOSE | UTF8PROC_COMPAT;
  return std::nullopt;
}

}  // namespace

std::unique_ptr<Normalizer> MakeNormalizer(const Json& description,
                                           std::string_view source) {
  if (description.is_null()) {
    return std::make_unique<SequenceNormalizer>(
        std::vector<std::unique_ptr<Normalizer>>());
  }
  const std::string type = ComponentType(description, "normalizer", source);
  const std::string where = fmt::format("{}: {}", source, type.substr(0, 40));
  if (const auto options = NormalFormOptions(type)) {
    return std::make_unique<NormalForm>(*options);
  }
  if (type == "Sequence") return ReadSequenceNormalizer(description, source);
  if (type == "Lowercase") return std::make_unique<Lowercase>();
  if (type == "StripAccents") return std::make_unique<StripAccents>();
  if (type == "Nmt") return std::make_unique<Nmt>();
  if (type == "ByteLevel") return std::make_unique<ByteLevelNormalizer>();
  if (type == "Prepend") {
    return std::make_unique<Prepend>(
        StringField(description, "prepend", where));
  }
  if (type == "Replace") {
    return std::make_unique<Replace>(
        PatternField(description, where),
        StringField(description, "content", where));
  }
  if (type == "Strip") {
    return std::make_unique<Strip>(
        BoolField(description, "strip_left", where),
        BoolField(description, "strip_right", where));
  }
  Fail(ErrorKind::kUnsupported,
       "{}: normalizer: found {}, which is not supported", source,
       type.substr(0, 40));
}

}  // namespace ram
