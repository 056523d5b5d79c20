// Text to token ids and back, as the model's own tokenizer does it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ram {

using TokenId = int32_t;

struct EncodeOptions {
  // Put the model's own start (and end) tokens around the text, as its
  // post-processor or its add_bos_token says.
  bool add_special = false;
  // Take the text of a special token for that token.
  bool parse_special = true;
};

class Tokenizer {
 public:
  virtual ~Tokenizer() = default;

  // Of a model directory (tokenizer.json, else tokenizer.model) or a GGUF file
  // (its metadata). Throws kCorrupt, kUnsupported, kIo, naming the file.
  static std::unique_ptr<Tokenizer> Open(const std::filesystem::path& model);

  // Throws kCorrupt, with the byte, when `text` is not UTF-8.
  virtual std::vector<TokenId> Encode(
      std::string_view text, const EncodeOptions& options = {}) const = 0;
  // The bytes that the ids stand for; may end within a UTF-8 sequence.
  virtual std::string Decode(std::span<const TokenId> ids,
                             bool skip_special = true) const = 0;

  // One more than the largest id.
  virtual uint64_t vocabulary_size() const = 0;
  // The tokens that the model expects before any text ([BOS], [gMASK]<sop>);
  // may be empty.
  virtual std::vector<TokenId> StartTokens() const = 0;
  // The tokens that end a text or a turn; may be empty.
  virtual std::vector<TokenId> EndTokens() const = 0;
  virtual std::optional<TokenId> FindToken(std::string_view text) const = 0;
  // The Jinja text of the chat template; empty: none.
  virtual std::string ChatTemplate() const = 0;
};

}  // namespace ram
