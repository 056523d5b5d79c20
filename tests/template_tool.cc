// template_tool: chat templates for the tests of tests/peers. Reads one JSON
// object a line, {"template": T, "variables": {...}}, and answers each with
// {"text": T} or {"error": message}.
#include <fmt/format.h>

#include <cstdio>
#include <exception>
#include <iostream>
#include <string>

#include "ram/base/json.h"
#include "ram/tokenizer/chat_template.h"

int main() {
  std::string line;
  while (std::getline(std::cin, line)) {
    ram::OrderedJson answer;
    try {
      const auto request = ram::OrderedJson::parse(line);
      const ram::ChatTemplate chat(request["template"].get<std::string>(),
                                   "template");
      answer["text"] = chat.Render(request["variables"]);
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    fmt::print("{}\n", answer.dump(-1, ' ', false,
                                   ram::OrderedJson::error_handler_t::replace));
    std::fflush(stdout);
  }
}
