// Any bytes as a GGUF file with a tokenizer: ids of its tokens, or one
// ram::Error.
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include "ram/base/error.h"
#include "ram/container/gguf.h"
#include "ram/tokenizer/gguf_tokenizer.h"
#include "ram/tokenizer/pipeline_tokenizer.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  try {
    const ram::PipelineTokenizer tokenizer(
        ram::ReadGgufTokenizer(ram::ParseGguf(input, "fuzz").metadata));
    const std::vector<ram::TokenId> ids =
        tokenizer.Encode(" the cat  sat\xC3\xA9 12 <s>", {.add_special = true});
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
