// Counts of published checkpoints, from their config.json alone.
#include "ram/checkpoint/expected_tensors.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <set>

#include "ram/base/json.h"

namespace ram {
namespace {

// Empty, with a line on the terminal, where the shared data is not at hand.
std::string SharedConfig(const std::string& name) {
  const char* shared = std::getenv("RAM_SHARED");
  const std::filesystem::path root =
      shared ? shared : RAM_SOURCE_DIR "/../shared";
  const std::filesystem::path path = root / "configs" / name;
  if (std::filesystem::exists(path)) return path;
  std::cout << "skipped: no shared data\n";
  return {};
}

uint64_t CountWeights(const std::vector<TensorInfo>& tensors) {
  uint64_t count = 0;
  for (const TensorInfo& tensor : tensors) count += tensor.elements();
  return count;
}

void ExpectCounts(const std::string& name, size_t tensors, uint64_t weights) {
  const std::string path = SharedConfig(name);
  if (path.empty()) return;
  const Json config = ReadJsonFile(path);
  const auto expected = ExpectedTensors(config);
  EXPECT_EQ(expected.size(), tensors);
  EXPECT_EQ(CountWeights(expected), weights);
  const Model model = DescribeModel(config, expected, "model");
  EXPECT_TRUE(model.known);
  EXPECT_EQ(model.weights(), weights);
}

// Numbers: the model cards' safetensors statistics.
TEST(ExpectedTensorsTest, CountsQwen3_8B) {
  ExpectCounts("qwen3-8b/config.json", 399, 8'190'735'360);
}

TEST(ExpectedTensorsTest, CountsQwen3_30B_A3B) {
  ExpectCounts("qwen3-30b-a3b/config.json", 18'867, 30'532'122'624);
}

// The index of the published checkpoint names every tensor and their sum.
TEST(ExpectedTensorsTest, NamesThoseOfAPrunedQwen35Moe) {
  const std::string path = SharedConfig("qwen3.5-moe-25b/config.json");
  if (path.empty()) return;
  Json config = ReadJsonFile(path);
  config["mtp_num_hidden_layers"] = 0u;  // the extra layer was left out
  const auto expected = ExpectedTensors(config);
  const Json index = ReadJsonFile(
      SharedConfig("qwen3.5-moe-25b/model.safetensors.index.json"));
  std::set<std::string> published;
  for (const auto& [name, file] : index["weight_map"].items()) {
    published.insert(name);
  }
  std::set<std::string> names;
  for (const TensorInfo& tensor : expected) names.insert(tensor.name);
  EXPECT_EQ(names, published);
  EXPECT_EQ(expected.size(), 22'213u);
  EXPECT_EQ(CountWeights(expected),
            AsUint64(index["metadata"]["total_parameters"]));
}

}  // namespace
}  // namespace ram
