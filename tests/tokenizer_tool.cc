// tokenizer_tool MODEL: a tokenizer for the tests of tests/peers. Reads one
// JSON object a line and answers each with one:
//   {"text": T, "special": false, "parse": true}  -> {"ids": [...]}
//   {"ids": [...], "skip": true}                  -> {"text": T}, with U+FFFD
//                                                    for what is not UTF-8
//   {"file": PATH, "repeat": N}    -> {"tokens": N, "seconds": the fastest}
//   {"about": true}                -> start, end, size, template
// A line that fails is answered with {"error": message}.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <exception>
#include <iostream>
#include <memory>
#include <string>
#include <vector>

#include "ram/base/file.h"
#include "ram/base/json.h"
#include "ram/tokenizer/tokenizer.h"

namespace {

ram::Json Measure(const ram::Tokenizer& tokenizer, const ram::Json& request) {
  const std::string text =
      ram::ReadTextFile(request["file"].get<std::string>());
  double fastest = 1e9;
  size_t tokens = 0;
  for (int i = 0; i < request["repeat"].get<int>(); ++i) {
    const auto start = std::chrono::steady_clock::now();
    tokens = tokenizer.Encode(text).size();
    const std::chrono::duration<double> seconds =
        std::chrono::steady_clock::now() - start;
    fastest = std::min(fastest, seconds.count());
  }
  return {{"tokens", tokens}, {"seconds", fastest}};
}

ram::Json Answer(const ram::Tokenizer& tokenizer, const ram::Json& request) {
  if (request.contains("text")) {
    ram::EncodeOptions options;
    options.add_special = request.value("special", false);
    options.parse_special = request.value("parse", true);
    return {
        {"ids", tokenizer.Encode(request["text"].get<std::string>(), options)}};
  }
  if (request.contains("ids")) {
    return {{"text",
             tokenizer.Decode(request["ids"].get<std::vector<ram::TokenId>>(),
                              request.value("skip", true))}};
  }
  if (request.contains("file")) return Measure(tokenizer, request);
  return {{"start", tokenizer.StartTokens()},
          {"end", tokenizer.EndTokens()},
          {"size", tokenizer.vocabulary_size()},
          {"template", tokenizer.ChatTemplate()}};
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  std::unique_ptr<ram::Tokenizer> tokenizer;
  try {
    tokenizer = ram::Tokenizer::Open(argv[1]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 3;
  }
  std::string line;
  while (std::getline(std::cin, line)) {
    ram::Json answer;
    try {
      answer = Answer(*tokenizer, ram::Json::parse(line));
    } catch (const std::exception& error) {
      answer = {{"error", error.what()}};
    }
    fmt::print("{}\n",
               answer.dump(-1, ' ', true, ram::Json::error_handler_t::replace));
    std::fflush(stdout);
  }
  return 0;
}
