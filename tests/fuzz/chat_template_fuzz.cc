// Any bytes as a chat template: it renders, or one ram::Error.
#include <cstdint>
#include <string>
#include <string_view>

#include "ram/base/error.h"
#include "ram/tokenizer/chat_template.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  const ram::OrderedJson variables = {
      {"bos_token", "<s>"},
      {"add_generation_prompt", true},
      {"messages",
       {{{"role", "system"}, {"content", "S"}},
        {{"role", "user"},
         {"content",
          "Gr\xC3\xBC\xC3\x9F"
          "e"}}}},
      {"tools", {{{"type", "function"}, {"n", 1.5}, {"list", {1, nullptr}}}}}};
  try {
    ram::ChatTemplate(source, "fuzz").Render(variables);
  } catch (const ram::Error&) {
  }
  return 0;
}
