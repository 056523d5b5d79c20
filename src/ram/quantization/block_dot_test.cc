#include "ram/quantization/block_dot.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "ram/base/random.h"
#include "ram/quantization/gguf_blocks.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr GgmlType kTypes[] = {
    GgmlType::kQ4_0, GgmlType::kQ4_1, GgmlType::kQ5_0,   GgmlType::kQ5_1,
    GgmlType::kQ8_0, GgmlType::kQ2_K, GgmlType::kQ3_K,   GgmlType::kQ4_K,
    GgmlType::kQ5_K, GgmlType::kQ6_K, GgmlType::kIQ4_NL, GgmlType::kIQ4_XS};

// Where the f16 numbers of a block are.
std::vector<size_t> HalfPlaces(GgmlType type) {
  switch (type) {
    case GgmlType::kQ4_1:
    case GgmlType::kQ5_1:
    case GgmlType::kQ4_K:
    case GgmlType::kQ5_K:
      return {0, 2};
    case GgmlType::kQ2_K:
      return {80, 82};
    case GgmlType::kQ3_K:
      return {108};
    case GgmlType::kQ6_K:
      return {208};
    default:
      return {0};
  }
}

// Random bits everywhere but in the f16 numbers, which are of size 1/64 or so.
// Behind the last block: all ones.
std::vector<std::byte> RandomBlocks(GgmlType type, uint64_t blocks) {
  const GgmlTypeFacts& facts = FactsOf(type);
  const CounterRandom random(11, facts.name);
  std::vector<std::byte> out(blocks * facts.block_bytes);
  for (size_t i = 0; i < out.size(); ++i) {
    out[i] = static_cast<std::byte>(random.Bits(i));
  }
  for (uint64_t block = 0; block < blocks; ++block) {
    for (const size_t place : HalfPlaces(type)) {
      const size_t at = block * facts.block_bytes + place;
      const uint16_t half =
          FloatToF16(static_cast<float>(random.Normal(out.size() + at) / 64));
      std::memcpy(&out[at], &half, sizeof half);
    }
  }
  out.resize(out.size() + kDotPadding, std::byte{0xFF});
  return out;
}

// No run is longer than 32.
double LargestOfRun(const std::vector<float>& x, uint64_t at) {
  float largest = 0;
  for (uint64_t i = at / 32 * 32; i < at / 32 * 32 + 32; ++i) {
    largest = std::max(largest, std::abs(x[i]));
  }
  return largest;
}

class BlockDotTest : public testing::TestWithParam<GgmlType> {};

// Compared with sums in double over what gguf_blocks.h decodes, which is
// tested against ggml's own. Activations are rounded, by 2^-16 of the largest
// of their run at most. scale * code and offset cancel, so the bound on sums in
// float, n * 2^-24 of the terms' magnitudes, takes three times the largest
// weight for each.
TEST_P(BlockDotTest, EqualsSumsOverDecodedWeights) {
  const GgmlType type = GetParam();
  const GgmlTypeFacts& facts = FactsOf(type);
  const CounterRandom random(5, "activations");
  // 2,048 weights are taken apart at a time: less, as many, more.
  for (const uint64_t cols : {256u, 768u, 2048u, 2048u + 512u, 5u * 1024u}) {
    for (const uint64_t vectors : {1u, 3u, 4u, 5u}) {
      const uint64_t rows = 1 + cols % 5;
      const std::vector<std::byte> blocks =
          RandomBlocks(type, rows * cols / facts.block_weights);
      std::vector<float> weights(rows * cols), x(vectors * cols);
      DecodeBlocks(type, blocks.data(), weights);
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>(random.Normal(i)) + 0.25f;
      }
      float largest = 0;
      for (const float w : weights) largest = std::max(largest, std::abs(w));
      for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
        hwy::SetSupportedTargetsForTest(target);
        BlockActivations arranged;
        arranged.Arrange(type, x.data(), vectors, cols);
        std::vector<float> y(vectors * rows, NAN);
        MultiplyBlocks(blocks.data(), rows, arranged, y.data(), rows);
        hwy::SetSupportedTargetsForTest(0);
        for (uint64_t i = 0; i < vectors * rows; ++i) {
          double expected = 0, magnitude = 0, rounded = 0;
          for (uint64_t c = 0; c < cols; ++c) {
            const double activation = x[i / rows * cols + c];
            expected +=
                static_cast<double>(weights[i % rows * cols + c]) * activation;
            magnitude += 3 * largest * std::abs(activation);
            rounded +=
                std::abs(static_cast<double>(weights[i % rows * cols + c])) *
                LargestOfRun(x, i / rows * cols + c) / 32767 / 2;
          }
          ASSERT_NEAR(y[i], expected,
                      static_cast<double>(cols) * 0x1p-24 * magnitude + rounded)
              << rows << " x " << cols << ", vector " << i / rows << " of "
              << vectors << ", " << hwy::TargetName(target);
        }
      }
    }
  }
}

// The unit vectors pick each weight out: one product, less one offset.
TEST_P(BlockDotTest, PicksEveryWeight) {
  const GgmlType type = GetParam();
  constexpr uint64_t kCols = 512, kRows = 2;
  const std::vector<std::byte> blocks =
      RandomBlocks(type, kRows * kCols / FactsOf(type).block_weights);
  std::vector<float> weights(kRows * kCols), x(kCols * kCols);
  DecodeBlocks(type, blocks.data(), weights);
  float largest = 0;
  for (const float w : weights) largest = std::max(largest, std::abs(w));
  for (uint64_t c = 0; c < kCols; ++c) x[c * kCols + c] = 1;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    BlockActivations arranged;
    arranged.Arrange(type, x.data(), kCols, kCols);
    std::vector<float> y(kCols * kRows, NAN);
    MultiplyBlocks(blocks.data(), kRows, arranged, y.data(), kRows);
    hwy::SetSupportedTargetsForTest(0);
    for (uint64_t i = 0; i < y.size(); ++i) {
      ASSERT_NEAR(y[i], weights[i % kRows * kCols + i / kRows],
                  3 * largest * 0x1p-23f)
          << "column " << i / kRows << ", " << hwy::TargetName(target);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, BlockDotTest, testing::ValuesIn(kTypes),
                         [](const auto& test) {
                           return std::string(FactsOf(test.param).name);
                         });

TEST(BlockDotTypesTest, SaysWhatItCanMultiply) {
  for (const GgmlType type : kTypes) EXPECT_TRUE(CanMultiplyBlocks(type));
  EXPECT_FALSE(CanMultiplyBlocks(GgmlType::kF16));
  EXPECT_FALSE(CanMultiplyBlocks(GgmlType::kTQ2_0));
}

}  // namespace
}  // namespace ram
