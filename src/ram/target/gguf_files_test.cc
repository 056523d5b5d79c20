#include "ram/target/gguf_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <set>
#include <string>

#include "ram/base/error.h"
#include "ram/checkpoint/checkpoint.h"
#include "ram/checkpoint/expected_tensors.h"
#include "ram/container/gguf_writer.h"
#include "ram/target/gguf_target.h"

namespace ram {
namespace {

using testing::ElementsAre;

// Two layers with rows of 256 and of 96 weights.
TargetLayout WideLlama() {
  Json config =
      Checkpoint::Open(RAM_SOURCE_DIR "/tests/data/forward/llama3-scaled")
          .model()
          .config;
  config["hidden_size"] = 256u;
  config["intermediate_size"] = 96u;
  TargetLayout layout = GgufTarget().Describe(
      DescribeModel(config, ExpectedTensors(config), "model"));
  GgufPairs pairs;
  pairs.AddText("general.architecture", "llama");
  pairs.AddU32("llama.block_count", 2);
  layout.metadata = pairs.bytes();
  layout.metadata_bytes = pairs.bytes().size();
  layout.metadata_pairs = pairs.count();
  return layout;
}

std::vector<Scheme> Closest(const TargetLayout& layout, GgmlType type) {
  std::vector<Scheme> schemes;
  for (const Unit& unit : layout.units) {
    schemes.push_back(GgufTarget().Closest(unit, Blocks(type)));
  }
  return schemes;
}

// The file without its data.
GgufHeader HeaderOf(const OutputFileLayout& file) {
  std::string bytes = file.prefix;
  bytes.resize(file.file_bytes, '\0');
  return ParseGguf(bytes, file.name);
}

TEST(GgufFilesTest, OneFileHoldsEverything) {
  const TargetLayout layout = WideLlama();
  const auto files = LayOutGgufFiles(layout, Closest(layout, GgmlType::kQ4_K));
  ASSERT_EQ(files.size(), 1u);
  EXPECT_EQ(files[0].name, "model.gguf");
  const GgufHeader header = HeaderOf(files[0]);
  EXPECT_EQ(header.metadata.Text("general.architecture"), "llama");
  EXPECT_FALSE(header.metadata.Has("split.count"));
  EXPECT_EQ(header.metadata.Uint("general.quantization_version"), 2u);
  EXPECT_EQ(header.metadata.Uint("general.file_type"), 14u);  // Q4_K_S
  ASSERT_EQ(header.tensors.size(), files[0].tensors.size() + 1);
  for (size_t i = 0; i < files[0].tensors.size(); ++i) {
    const StoredTensor& stored = files[0].tensors[i];
    const GgufTensor& read = header.tensors[i + 1];
    EXPECT_EQ(read.name, stored.name);
    EXPECT_EQ(read.shape, stored.shape);
    EXPECT_EQ(read.offset, stored.offset);
    EXPECT_EQ(read.bytes, stored.bytes);
    EXPECT_EQ(stored.offset % 32, 0u);
  }
  std::map<std::string, GgmlType> types;
  for (const GgufTensor& tensor : header.tensors) {
    types[tensor.name] = tensor.type;
  }
  EXPECT_EQ(types["blk.0.ffn_up.weight"], GgmlType::kQ4_K);
  EXPECT_EQ(types["blk.0.ffn_down.weight"], GgmlType::kQ5_0);
  EXPECT_EQ(types["blk.0.attn_norm.weight"], GgmlType::kF32);
}

TEST(GgufFilesTest, RopeFactorsAreInThePrefix) {
  const TargetLayout layout = WideLlama();
  const auto files = LayOutGgufFiles(layout, Closest(layout, GgmlType::kQ8_0));
  const GgufHeader header = HeaderOf(files[0]);
  ASSERT_EQ(header.tensors[0].name, "rope_freqs.weight");
  EXPECT_THAT(header.tensors[0].shape, ElementsAre(8));
  std::vector<float> factors(8);
  std::memcpy(factors.data(), files[0].prefix.data() + header.tensors[0].offset,
              32);
  EXPECT_EQ(factors, layout.rope_factors);
  EXPECT_EQ(factors.front(), 1.0f);
  EXPECT_EQ(factors.back(), 8.0f);
}

TEST(GgufFilesTest, LargeModelsAreSplit) {
  const TargetLayout layout = WideLlama();
  const auto schemes = Closest(layout, GgmlType::kQ8_0);
  const auto files = LayOutGgufFiles(layout, schemes, 60'000);
  ASSERT_GT(files.size(), 2u);
  std::set<std::string> names;
  uint64_t tensors = 0;
  for (size_t i = 0; i < files.size(); ++i) {
    EXPECT_EQ(files[i].name,
              fmt::format("model-{:05}-of-{:05}.gguf", i + 1, files.size()));
    const GgufHeader header = HeaderOf(files[i]);
    EXPECT_EQ(header.metadata.Uint("split.no"), i);
    EXPECT_EQ(header.metadata.Uint("split.count"), files.size());
    EXPECT_EQ(header.metadata.Has("general.architecture"), i == 0);
    tensors += header.tensors.size();
    uint64_t data = 0;
    for (const StoredTensor& tensor : files[i].tensors) {
      EXPECT_TRUE(names.insert(tensor.name).second) << tensor.name;
      data += tensor.bytes;
    }
    EXPECT_LE(data, 60'000u);
  }
  for (const OutputFileLayout& file : files) {
    EXPECT_EQ(HeaderOf(file).metadata.Uint("split.tensors.count"), tensors);
  }
  EXPECT_EQ(names.size() + 1, tensors);
}

TEST(GgufFilesTest, SizesAreKnownWithoutLayingOut) {
  const TargetLayout layout = WideLlama();
  for (const GgmlType type :
       {GgmlType::kQ2_K, GgmlType::kQ4_0, GgmlType::kQ6_K, GgmlType::kQ8_0}) {
    const auto schemes = Closest(layout, type);
    for (const uint64_t limit :
         {kMaxGgufDataBytes, uint64_t{60'000}, uint64_t{10'000}, uint64_t{1}}) {
      EXPECT_EQ(GgufFilesBytes(layout, schemes, limit),
                TotalFileBytes(LayOutGgufFiles(layout, schemes, limit)))
          << limit;
    }
  }
}

}  // namespace
}  // namespace ram
