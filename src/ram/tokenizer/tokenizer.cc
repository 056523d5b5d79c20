#include "ram/tokenizer/tokenizer.h"

#include <algorithm>
#include <utility>

#include "ram/base/error.h"
#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/container/gguf.h"
#include "ram/tokenizer/gguf_tokenizer.h"
#include "ram/tokenizer/pipeline_tokenizer.h"
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
  if (!std::filesystem::exists(json_path)) {
    Fail(ErrorKind::kIo, "{}: tokenizer: found no tokenizer.json, expected one",
         model.string());
  }
  TokenizerParts parts =
      ReadTokenizerJson(ReadJsonFile(json_path.string()), json_path.string());
  Configure(ReadTokenizerConfig(model), parts);
  return std::make_unique<PipelineTokenizer>(std::move(parts));
}

}  // namespace ram
