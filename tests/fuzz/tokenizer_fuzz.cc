// Any tokenizer.json with any text: the ids of known tokens, or one ram::Error;
// and the name that GGUF files have for it, or one ram::Error.
//
// An input is the JSON text and, after a zero byte, the text to encode.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/tokenizer/gguf_splitting.h"
#include "ram/tokenizer/pipeline_tokenizer.h"
#include "ram/tokenizer/tokenizer_json.h"

namespace {

constexpr std::string_view kText =
    "ab  cd\n1234 don't \xC3\xA9 e\xCC\x81 \xE4\xB8\xAD <x> ";

void Encode(const ram::Tokenizer& tokenizer, std::string_view text) {
  for (const bool special : {false, true}) {
    const std::vector<ram::TokenId> ids = tokenizer.Encode(
        text, {.add_special = special, .parse_special = special});
    for (const ram::TokenId id : ids) {
      const auto limit = tokenizer.vocabulary_size();
      if (id < 0 || static_cast<uint64_t>(id) >= limit) std::abort();
    }
    tokenizer.Decode(ids, !special);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  try {
    const ram::Json json = ram::ParseJson(input.substr(0, zero), "fuzz");
    const ram::PipelineTokenizer tokenizer(
        ram::ReadTokenizerJson(json, "fuzz"));
    Encode(tokenizer, kText);
    if (zero != input.npos) Encode(tokenizer, input.substr(zero + 1));
    if (json["model"].contains("merges") &&
        json["model"]["vocab"].is_object()) {
      ram::RecogniseGgufSplitting(json, "fuzz");
    }
  } catch (const ram::Error&) {
  }
  return 0;
}
