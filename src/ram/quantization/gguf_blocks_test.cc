// Equality with the PyPI package gguf 0.19.0; tests/peers/make_gguf_golden.py
// wrote the files and documents their layout.
#include "ram/quantization/gguf_blocks.h"

#include <gtest/gtest.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

namespace ram {
namespace {

constexpr size_t kWeights = 1024;

class GgufBlocksTest : public testing::TestWithParam<GgmlType> {
 protected:
  void SetUp() override {
    const GgmlTypeFacts& facts = FactsOf(GetParam());
    const std::string path = RAM_SOURCE_DIR "/tests/data/gguf_blocks/" +
                             std::string(facts.name) + ".bin";
    std::ifstream in(path, std::ios::binary);
    const std::vector<char> bytes(std::istreambuf_iterator<char>(in), {});
    const size_t block_bytes =
        kWeights / facts.block_weights * facts.block_bytes;
    ASSERT_EQ(bytes.size(), block_bytes + kWeights * sizeof(float)) << path;
    blocks_.resize(block_bytes);
    expected_.resize(kWeights);
    std::memcpy(blocks_.data(), bytes.data(), block_bytes);
    std::memcpy(expected_.data(), bytes.data() + block_bytes,
                kWeights * sizeof(float));
  }

  std::vector<std::byte> blocks_;
  std::vector<float> expected_;
};

TEST_P(GgufBlocksTest, DecodesTheSameBits) {
  ASSERT_TRUE(CanDecodeBlocks(GetParam()));
  std::vector<float> decoded(kWeights);
  DecodeBlocks(GetParam(), blocks_.data(), decoded);
  for (size_t i = 0; i < kWeights; ++i) {
    ASSERT_EQ(std::bit_cast<uint32_t>(decoded[i]),
              std::bit_cast<uint32_t>(expected_[i]))
        << "weight " << i << ": " << decoded[i] << ", " << expected_[i];
  }
}

TEST_P(GgufBlocksTest, ReadsFromAnyAddress) {
  std::vector<std::byte> shifted(blocks_.size() + 1);
  std::memcpy(&shifted[1], blocks_.data(), blocks_.size());
  std::vector<float> decoded(kWeights);
  DecodeBlocks(GetParam(), &shifted[1], decoded);
  EXPECT_EQ(decoded, expected_);
}

INSTANTIATE_TEST_SUITE_P(
    Types, GgufBlocksTest,
    testing::Values(GgmlType::kF32, GgmlType::kF16, GgmlType::kBF16,
                    GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ5_0,
                    GgmlType::kQ5_1, GgmlType::kQ8_0, GgmlType::kQ2_K,
                    GgmlType::kQ3_K, GgmlType::kQ4_K, GgmlType::kQ5_K,
                    GgmlType::kQ6_K, GgmlType::kIQ4_NL, GgmlType::kIQ4_XS),
    [](const auto& test) { return std::string(FactsOf(test.param).name); });

TEST(GgufBlocksTypesTest, SaysWhatItCannotDecode) {
  EXPECT_FALSE(CanDecodeBlocks(GgmlType::kIQ2_XXS));
  EXPECT_FALSE(CanDecodeBlocks(GgmlType::kTQ1_0));
  EXPECT_FALSE(CanDecodeBlocks(GgmlType::kI32));
}

}  // namespace
}  // namespace ram
