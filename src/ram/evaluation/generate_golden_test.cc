// What is written greedily, against huggingface transformers
// (tests/peers/make_generate_golden.py).
#include <gtest/gtest.h>

#include <filesystem>
#include <string>
#include <vector>

#include "ram/base/json.h"
#include "ram/evaluation/generate.h"

namespace ram {
namespace {

const std::filesystem::path kRoot = RAM_SOURCE_DIR;

TEST(GenerateGoldenTest, WritesWhatTransformersWrites) {
  const Json golden =
      ReadJsonFile((kRoot / "tests/data/generate.json").string());
  ASSERT_GE(golden["models"].size(), 13u);
  for (const auto& [name, expected] : golden["models"].items()) {
    SCOPED_TRACE(name);
    const Checkpoint checkpoint = Checkpoint::Open(
        name == "wiki-dense" ? kRoot / "models" / name
                             : kRoot / "tests/data/forward" / name);
    const auto prompt = expected["prompt"].get<std::vector<int32_t>>();
    const auto tokens = expected["tokens"].get<std::vector<int32_t>>();
    LanguageModel model(checkpoint, 2, prompt.size() + tokens.size());
    GenerateOptions options;
    options.max_tokens = tokens.size();
    EXPECT_EQ(Generate(model, prompt, options, [](int32_t) {}).tokens, tokens);
  }
}

}  // namespace
}  // namespace ram
