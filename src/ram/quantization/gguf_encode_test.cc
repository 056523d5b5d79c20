#include "ram/quantization/gguf_encode.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cfloat>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "ram/quantization/affine_test_support.h"
#include "ram/quantization/gguf_blocks.h"

namespace ram {
namespace {

constexpr uint64_t kCols = 1024;
constexpr BlockEffort kEfforts[] = {BlockEffort::kFast, BlockEffort::kBest};

const std::vector<GgmlType>& BlockTypes() {
  static const std::vector<GgmlType> types = {
      GgmlType::kQ8_0, GgmlType::kQ4_0, GgmlType::kQ4_1,   GgmlType::kQ5_0,
      GgmlType::kQ5_1, GgmlType::kQ2_K, GgmlType::kQ3_K,   GgmlType::kQ4_K,
      GgmlType::kQ5_K, GgmlType::kQ6_K, GgmlType::kIQ4_NL, GgmlType::kIQ4_XS};
  return types;
}

struct Blocks {
  std::vector<std::byte> bytes;
  double squared_error = 0;
};

Blocks EncodeAll(GgmlType type, BlockEffort effort,
                 const std::vector<float>& weights, uint64_t cols,
                 const std::vector<float>& column_weights = {}) {
  const GgmlTypeFacts& facts = FactsOf(type);
  Blocks out;
  out.bytes.resize(weights.size() / facts.block_weights * facts.block_bytes);
  out.squared_error = EncodeBlocks(type, effort, weights, cols, column_weights,
                                   out.bytes.data());
  return out;
}

std::vector<float> DecodeAll(GgmlType type, const Blocks& blocks,
                             size_t count) {
  std::vector<float> out(count);
  DecodeBlocks(type, blocks.bytes.data(), out);
  return out;
}

std::vector<float> RoundTrip(GgmlType type, BlockEffort effort,
                             const std::vector<float>& weights, uint64_t cols) {
  return DecodeAll(type, EncodeAll(type, effort, weights, cols),
                   weights.size());
}

double SquaredError(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double off = static_cast<double>(a[i]) - b[i];
    sum += off * off;
  }
  return sum;
}

class GgufEncodeTypeTest : public testing::TestWithParam<GgmlType> {};

TEST_P(GgufEncodeTypeTest, CodesZerosAsZeros) {
  const std::vector<float> zeros(kCols, 0.0f);
  for (const BlockEffort effort : kEfforts) {
    EXPECT_EQ(RoundTrip(GetParam(), effort, zeros, kCols), zeros);
  }
}

TEST_P(GgufEncodeTypeTest, ReturnsTheSquaredError) {
  const std::vector<float> weights = Gaussian(4 * kCols);
  for (const BlockEffort effort : kEfforts) {
    const Blocks blocks = EncodeAll(GetParam(), effort, weights, kCols);
    const double error =
        SquaredError(weights, DecodeAll(GetParam(), blocks, weights.size()));
    // The encoder sums in float: 1,024 terms, each within 2^-22.
    EXPECT_NEAR(blocks.squared_error, error, 1e-4 * error);
  }
}

TEST_P(GgufEncodeTypeTest, ScalesWithPowersOfTwo) {
  // Large enough that no stored scale is below 2^-14, where F16 has fewer bits.
  std::vector<float> weights = Gaussian(2 * kCols);
  for (float& w : weights) w *= 64;
  std::vector<float> larger = weights;
  for (float& w : larger) w *= 8;
  for (const BlockEffort effort : kEfforts) {
    std::vector<float> expected = RoundTrip(GetParam(), effort, weights, kCols);
    for (float& w : expected) w *= 8;
    EXPECT_EQ(RoundTrip(GetParam(), effort, larger, kCols), expected);
  }
}

// All blocks of 256 in one call, and one by one.
TEST_P(GgufEncodeTypeTest, EncodesEachBlockByItself) {
  const std::vector<float> weights = HeavyTailed(7 * 256);
  std::vector<float> column_weights(256);
  for (size_t i = 0; i < 256; ++i) {
    column_weights[i] = static_cast<float>(1 + i % 7);
  }
  for (const BlockEffort effort : kEfforts) {
    const Blocks whole =
        EncodeAll(GetParam(), effort, weights, 256, column_weights);
    std::vector<std::byte> pieces;
    for (size_t at = 0; at < weights.size(); at += 256) {
      const std::vector<float> part(&weights[at], &weights[at] + 256);
      const Blocks blocks =
          EncodeAll(GetParam(), effort, part, 256, column_weights);
      pieces.insert(pieces.end(), blocks.bytes.begin(), blocks.bytes.end());
    }
    EXPECT_EQ(whole.bytes, pieces);
  }
}

TEST_P(GgufEncodeTypeTest, WritesTheSameBytesOnEveryTarget) {
  std::vector<float> weights = Gaussian(3 * kCols);
  const std::vector<float> tails = HeavyTailed(3 * kCols);
  weights.insert(weights.end(), tails.begin(), tails.end());
  std::vector<float> column_weights(kCols);
  for (size_t i = 0; i < kCols; ++i) {
    column_weights[i] = 0.01f + static_cast<float>(i % 13);
  }
  const auto run = [&] {
    std::vector<Blocks> out;
    for (const BlockEffort effort : kEfforts) {
      out.push_back(EncodeAll(GetParam(), effort, weights, kCols));
      out.push_back(
          EncodeAll(GetParam(), effort, weights, kCols, column_weights));
    }
    return out;
  };
  std::vector<std::vector<Blocks>> results;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    results.push_back(run());
    hwy::SetSupportedTargetsForTest(0);
  }
  ASSERT_GE(results.size(), 1u);
  for (const auto& result : results) {
    for (size_t i = 0; i < result.size(); ++i) {
      EXPECT_EQ(result[i].bytes, results[0][i].bytes);
      EXPECT_EQ(result[i].squared_error, results[0][i].squared_error);
    }
  }
}

// What a block cannot hold becomes the nearest that it can, and never a NaN or
// an infinity.
TEST_P(GgufEncodeTypeTest, SurvivesHostileWeights) {
  const float kHostile[] = {FLT_MAX, -FLT_MAX, FLT_MIN, 0x1p-149f, -0x1p-149f,
                            1e20f,   65504.f,  1e-30f,  -0.0f,     1.0f};
  std::vector<std::vector<float>> inputs;
  for (const float value : kHostile) {
    inputs.emplace_back(256, value);             // constant
    inputs.emplace_back(256, 0.0f)[77] = value;  // alone
    inputs.push_back(Gaussian(256));             // among others
    inputs.back()[200] = value;
    inputs.emplace_back(256);  // with both signs
    for (size_t i = 0; i < 256; ++i) {
      inputs.back()[i] = i % 2 == 0 ? value : -value;
    }
  }
  inputs.emplace_back(256);  // everything
  for (size_t i = 0; i < 256; ++i) inputs.back()[i] = kHostile[i * 7 % 10];
  const std::vector<float> kColumns[] = {{},
                                         std::vector<float>(256, 0.0f),
                                         std::vector<float>(256, FLT_MAX),
                                         std::vector<float>(256, 0x1p-149f)};
  for (const BlockEffort effort : kEfforts) {
    for (const std::vector<float>& weights : inputs) {
      for (const std::vector<float>& columns : kColumns) {
        const Blocks blocks =
            EncodeAll(GetParam(), effort, weights, 256, columns);
        EXPECT_TRUE(std::isfinite(blocks.squared_error));
        for (const float w : DecodeAll(GetParam(), blocks, 256)) {
          ASSERT_TRUE(std::isfinite(w));
        }
      }
    }
  }
}

// A quarter of the columns counts a hundred times.
TEST_P(GgufEncodeTypeTest, HeedsColumnWeights) {
  std::vector<float> column_weights(kCols, 1.0f);
  for (size_t i = 0; i < kCols; i += 4) column_weights[i] = 100;
  const std::vector<float> weights = Gaussian(16 * kCols);
  const auto weighed = [&](const std::vector<float>& decoded) {
    double sum = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const double off = static_cast<double>(weights[i]) - decoded[i];
      sum += column_weights[i % kCols] * off * off;
    }
    return sum;
  };
  for (const BlockEffort effort : kEfforts) {
    const double with = weighed(
        DecodeAll(GetParam(),
                  EncodeAll(GetParam(), effort, weights, kCols, column_weights),
                  weights.size()));
    const double without =
        weighed(RoundTrip(GetParam(), effort, weights, kCols));
    EXPECT_LT(with, without);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, GgufEncodeTypeTest,
                         testing::ValuesIn(BlockTypes()), [](const auto& test) {
                           return std::string(FactsOf(test.param).name);
                         });

// Weights that lie on a grid with the largest magnitude on the lowest code.
TEST(GgufEncodeTest, KeepsWeightsThatAreOnTheGrid) {
  for (const auto& [type, codes] : {std::pair{GgmlType::kQ4_0, 16},
                                    {GgmlType::kQ5_0, 32},
                                    {GgmlType::kQ4_1, 16},
                                    {GgmlType::kQ5_1, 32}}) {
    std::vector<float> weights(kCols);
    for (size_t i = 0; i < kCols; ++i) {
      const int code = static_cast<int>(i * 5 % static_cast<size_t>(codes));
      weights[i] = 0.25f * static_cast<float>(code - codes / 2);
    }
    for (const BlockEffort effort : kEfforts) {
      EXPECT_EQ(RoundTrip(type, effort, weights, kCols), weights)
          << FactsOf(type).name;
    }
  }
}

// d = 1 for the weights 127, 119, ..., -121; low byte first.
TEST(GgufEncodeTest, WritesQ8_0AsLaidOut) {
  std::vector<float> weights(32);
  for (int i = 0; i < 32; ++i) {
    weights[static_cast<size_t>(i)] = static_cast<float>(127 - 8 * i);
  }
  const Blocks blocks =
      EncodeAll(GgmlType::kQ8_0, BlockEffort::kFast, weights, 32);
  EXPECT_EQ(blocks.bytes[0], std::byte{0x00});
  EXPECT_EQ(blocks.bytes[1], std::byte{0x3C});
  for (size_t i = 0; i < 32; ++i) {
    EXPECT_EQ(static_cast<int8_t>(blocks.bytes[2 + i]), weights[i]);
  }
  EXPECT_EQ(blocks.squared_error, 0);
}

TEST(GgufEncodeTest, ClampsPlainTypesToFiniteNumbers) {
  const std::vector<float> weights = {FLT_MAX, -FLT_MAX, 1.0f, 0x1p-149f};
  EXPECT_THAT(RoundTrip(GgmlType::kF16, BlockEffort::kFast, weights, 4),
              testing::ElementsAre(65504.f, -65504.f, 1.f, 0.f));
  EXPECT_THAT(RoundTrip(GgmlType::kBF16, BlockEffort::kFast, weights, 4),
              testing::ElementsAre(0x1.FEp127f, -0x1.FEp127f, 1.f, 0.f));
}

TEST(GgufEncodeTest, SaysWhatItCannotEncode) {
  EXPECT_TRUE(CanEncodeBlocks(GgmlType::kF16));
  EXPECT_TRUE(CanEncodeBlocks(GgmlType::kIQ4_XS));
  EXPECT_FALSE(CanEncodeBlocks(GgmlType::kF32));
  EXPECT_FALSE(CanEncodeBlocks(GgmlType::kIQ2_XXS));
  EXPECT_FALSE(CanEncodeBlocks(GgmlType::kMXFP4));
}

}  // namespace
}  // namespace ram
