// Any bytes as a SentencePiece model: ids of its pieces, or one ram::Error.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>
#include <vector>

#include "ram/base/error.h"
#include "ram/tokenizer/pipeline_tokenizer.h"
#include "ram/tokenizer/sentencepiece.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const ram::PipelineTokenizer tokenizer(
        ram::ReadSentencePiece(input, "fuzz").parts);
    const std::vector<ram::TokenId> ids = tokenizer.Encode(
        " the cat  sat\xC3\xA9 \xEF\xBC\xA1\xE2\x85\xA7 <s>", {});
    for (const ram::TokenId id : ids) {
      if (id < 0 || static_cast<uint64_t>(id) >= tokenizer.vocabulary_size()) {
        std::abort();
      }
    }
    tokenizer.Decode(ids, true);
  } catch (const ram::Error&) {
  }
  return 0;
}
