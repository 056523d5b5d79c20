// What the files beside a tokenizer say about it: tokenizer_config.json,
// special_tokens_map.json, generation_config.json, config.json,
// chat_template.jinja.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "ram/tokenizer/tokenizer.h"

namespace ram {

struct TokenizerConfig {
  // The tokens of texts' ends; empty: not said.
  std::string start_token;
  std::string end_token;
  // Of the unknown and of what fills up; empty: not said.
  std::string unknown_token;
  std::string padding_token;
  // Put them around a text; nullopt: not said.
  std::optional<bool> add_start;
  std::optional<bool> add_end;
  // eos_token_id of generation_config.json, else of config.json.
  std::vector<TokenId> end_ids;
  // bos_token_id, from the same files.
  std::optional<TokenId> start_id;
  std::string chat_template;
};

// Each file may be missing. Throws kCorrupt, naming the file, when one
// contradicts its format.
TokenizerConfig ReadTokenizerConfig(const std::filesystem::path& directory);

}  // namespace ram
