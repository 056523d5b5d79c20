#include "ram/tokenizer/decoder.h"

#include <charconv>
#include <utility>

#include "ram/base/error.h"
#include "ram/tokenizer/byte_alphabet.h"
#include "ram/tokenizer/component_json.h"
#include "ram/tokenizer/unicode.h"

namespace ram {
namespace {

class Spaces : public Decoder {
 public:
  void Apply(std::vector<std::string>& parts) const override {
    for (size_t i = 1; i < parts.size(); ++i) parts[i].insert(0, 1, ' ');
  }
};

class ByteLevelDecoder : public Decoder {
 public:
  void Apply(std::vector<std::string>& parts) const override {
    for (std::string& part : parts) {
      std::string bytes;
      // What an earlier step turned into bytes is no longer UTF-8.
      if (!FindInvalidUtf8(part) && AppendBytesOf(part, bytes)) {
        part = std::move(bytes);
      }
    }
  }
};

// <0x41>: one byte.
class ByteFallback : public Decoder {
 public:
  void Apply(std::vector<std::string>& parts) const override {
    for (std::string& part : parts) {
      if (part.size() != 6 || !part.starts_with("<0x") || part[5] != '>') {
        continue;
      }
      uint8_t byte = 0;
      const char* end = part.data() + 5;
      const auto [stop, error] =
          std::from_chars(part.data() + 3, end, byte, 16);
      if (error == std::errc() && stop == end) {
        part.assign(1, static_cast<char>(byte));
      }
    }
  }
};

class Fuse : public Decoder {
 public:
  void Apply(std::vector<std::string>& parts) const override {
    std::string all;
    for (const std::string& part : parts) all += part;
    parts.clear();
    parts.push_back(std::move(all));
  }
};

// Up to `start` and `stop` times `content` at the ends of every part.
class StripDecoder : public Decoder {
 public:
  StripDecoder(std::string content, uint64_t start, uint64_t stop)
      : content_(std::move(content)), start_(start), stop_(stop) {}

  void Apply(std::vector<std::string>& parts) const override {
    for (std::string& part : parts) {
      std::string_view rest = part;
      for (uint64_t i = 0; i < start_ && rest.starts_with(content_); ++i) {
        rest.remove_prefix(content_.size());
      }
      for (uint64_t i = 0; i < stop_ && rest.ends_with(content_); ++i) {
        rest.remove_suffix(content_.size());
      }
      part = std::string(rest);
    }
  }

 private:
  std::string content_;
  uint64_t start_;
  uint64_t stop_;
};

class ReplaceDecoder : public Decoder {
 public:
  ReplaceDecoder(Regex pattern, std::string content)
      : pattern_(std::move(pattern)), content_(std::move(content)) {}
  void Apply(std::vector<std::string>& parts) const override {
    for (std::string& part : parts) {
      if (!FindInvalidUtf8(part)) {
        part = ReplaceMatches(pattern_, part, content_);
      }
    }
  }

 private:
  Regex pattern_;
  std::string content_;
};

// The replacement becomes a space, except in front of the first part.
class MetaspaceDecoder : public Decoder {
 public:
  MetaspaceDecoder(std::string replacement, bool drop_first)
      : replacement_(std::move(replacement)), drop_first_(drop_first) {}
  void Apply(std::vector<std::string>& parts) const override {
    for (size_t i = 0; i < parts.size(); ++i) {
      const std::string_view space = i == 0 && drop_first_ ? "" : " ";
      std::string result;
      std::string_view rest = parts[i];
      while (!rest.empty()) {
        const size_t at = rest.find(replacement_);
        result += rest.substr(0, at);
        if (at == rest.npos) break;
        result += space;
        rest.remove_prefix(at + replacement_.size());
      }
      parts[i] = std::move(result);
    }
  }

 private:
  std::string replacement_;
  bool drop_first_;
};

// `suffix` ends a word.
class BpeSuffix : public Decoder {
 public:
  explicit BpeSuffix(std::string suffix) : suffix_(std::move(suffix)) {}
  void Apply(std::vector<std::string>& parts) const override {
    if (suffix_.empty()) return;
    for (size_t i = 0; i < parts.size(); ++i) {
      const std::string_view space = i + 1 == parts.size() ? "" : " ";
      size_t at = 0;
      while ((at = parts[i].find(suffix_, at)) != std::string::npos) {
        parts[i].replace(at, suffix_.size(), space);
        at += space.size();
      }
    }
  }

 private:
  std::string suffix_;
};

class SequenceDecoder : public Decoder {
 public:
  explicit SequenceDecoder(std::vector<std::unique_ptr<Decoder>> steps)
      : steps_(std::move(steps)) {}
  void Apply(std::vector<std::string>& parts) const override {
    for (const auto& step : steps_) step->Apply(parts);
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
};

std::unique_ptr<Decoder> ReadSequenceDecoder(const Json& description,
                                             std::string_view source) {
  std::vector<std::unique_ptr<Decoder>> steps;
  for (const Json& step : ListField(description, "decoders", source)) {
    steps.push_back(MakeDecoder(step, source));
  }
  return std::make_unique<SequenceDecoder>(std::move(steps));
}

std::unique_ptr<Decoder> ReadMetaspaceDecoder(const Json& description,
                                              std::string_view source) {
  const bool add_space =
      OptionalBool(description, "add_prefix_space", source).value_or(true);
  const std::string scheme =
      OptionalString(description, "prepend_scheme", source).value_or("always");
  return std::make_unique<MetaspaceDecoder>(
      CodePointField(description, "replacement", source),
      add_space && scheme != "never");
}

}  // namespace

std::unique_ptr<Decoder> MakeByteLevelDecoder() {
  return std::make_unique<ByteLevelDecoder>();
}

std::unique_ptr<Decoder> MakeSentencePieceDecoder(bool drop_first) {
  Json steps = {{{"type", "Replace"},
                 {"pattern", {{"String", "\u2581"}}},
                 {"content", " "}},
                {{"type", "ByteFallback"}},
                {{"type", "Fuse"}}};
  if (drop_first) {
    steps.push_back(
        {{"type", "Strip"}, {"content", " "}, {"start", 1U}, {"stop", 0U}});
  }
  return ReadSequenceDecoder({{"decoders", steps}}, "SentencePiece");
}

std::unique_ptr<Decoder> MakeDecoder(const Json& description,
                                     std::string_view source) {
  if (description.is_null()) return std::make_unique<Spaces>();
  const std::string type = ComponentType(description, "decoder", source);
  const std::string where = fmt::format("{}: {}", source, type.substr(0, 40));
  if (type == "Sequence") return ReadSequenceDecoder(description, source);
  if (type == "ByteLevel") return MakeByteLevelDecoder();
  if (type == "ByteFallback") return std::make_unique<ByteFallback>();
  if (type == "Fuse") return std::make_unique<Fuse>();
  if (type == "Metaspace") return ReadMetaspaceDecoder(description, where);
  if (type == "Strip") {
    return std::make_unique<StripDecoder>(
        CodePointField(description, "content", where),
        UintField(description, "start", where),
        UintField(description, "stop", where));
  }
  if (type == "Replace") {
    return std::make_unique<ReplaceDecoder>(
        PatternField(description, where),
        StringField(description, "content", where));
  }
  if (type == "BPEDecoder") {
    return std::make_unique<BpeSuffix>(
        OptionalString(description, "suffix", where).value_or("</w>"));
  }
  Fail(ErrorKind::kUnsupported, "{}: decoder: found {}, which is not supported",
       source, type.substr(0, 40));
}

}  // namespace ram
