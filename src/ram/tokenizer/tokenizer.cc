#include "ram/tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/container/gguf.h"
#include "ram/tokenizer/gguf_tokenizer.h"
#include "ram/tokenizer/pipeline_tokenizer.h"
#include "ram/tokenizer/sentencepiece.h"
#include "ram/tokenizer/tokenizer_config.h"
#include "ram/tokenizer/tokenizer_json.h"

namespace ram {
namespace {

std::optional<TokenId> FindIn(const TokenizerParts& parts,
                              std::string_view text) {
  if (text.empty()) return std::nullopt;
  for (const AddedToken& token : parts.added_tokens) {
    if (token.text == text) {
      return parts.model->vocabulary().Find(text).value_or(token.id);
    }
  }
  return parts.model->vocabulary().Find(text);
}

// The configuration adds what tokenizer.json leaves open.
void Configure(const TokenizerConfig& config, TokenizerParts& parts) {
  const auto start = FindIn(parts, config.start_token);
  const auto end = FindIn(parts, config.end_token);
  SurroundingTokens& surrounding = parts.surrounding;
  if (start && config.add_start == true && surrounding.before.empty()) {
    surrounding.before = {*start};
  }
  if (end && config.add_end == true && surrounding.after.empty()) {
    surrounding.after = {*end};
  }
  parts.end_tokens = config.end_ids;
  if (end && std::find(parts.end_tokens.begin(), parts.end_tokens.end(),
                       *end) == parts.end_tokens.end()) {
    parts.end_tokens.push_back(*end);
  }
  parts.chat_template = config.chat_template;
}

// The file names its own start and end; a text gets the start unless the
// configuration says no.
TokenizerParts OpenSentencePiece(const std::filesystem::path& path,
                                 TokenizerConfig& config) {
  SentencePieceModel model =
      ReadSentencePiece(ReadTextFile(path), path.string());
  const auto text = [&](std::optional<TokenId> id) {
    return id ? *model.parts.model->vocabulary().Text(*id) : std::string();
  };
  if (config.start_token.empty()) config.start_token = text(model.start);
  if (config.end_token.empty()) config.end_token = text(model.end);
  if (!config.add_start) config.add_start = model.start.has_value();
  return std::move(model.parts);
}

}  // namespace

std::unique_ptr<Tokenizer> Tokenizer::Open(const std::filesystem::path& model) {
  if (!std::filesystem::is_directory(model)) {
    const File file = File::Open(model);
    if (!IsGguf(file)) {
      Fail(ErrorKind::kUnsupported,
           "{}: tokenizer: found a file that is not GGUF, expected a model "
           "directory or a GGUF file",
           model.string());
    }
    return std::make_unique<PipelineTokenizer>(
        ReadGgufTokenizer(ReadGgufHeader(file).metadata));
  }
  const std::filesystem::path json_path = model / "tokenizer.json";
  const std::filesystem::path piece_path = model / "tokenizer.model";
  TokenizerConfig config = ReadTokenizerConfig(model);
  TokenizerParts parts;
  if (std::filesystem::exists(json_path)) {
    parts =
        ReadTokenizerJson(ReadJsonFile(json_path.string()), json_path.string());
  } else if (std::filesystem::exists(piece_path)) {
    parts = OpenSentencePiece(piece_path, config);
  } else {
    Fail(ErrorKind::kIo,
         "{}: tokenizer: found neither tokenizer.json nor tokenizer.model, "
         "expected one",
         model.string());
  }
  Configure(config, parts);
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace ram
