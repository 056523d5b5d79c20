#include "ram/analysis/block_errors.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ram/base/random.h"
#include "ram/quantization/gguf_blocks.h"
#include "ram/quantization/gguf_encode.h"

namespace ram {
namespace {

constexpr uint64_t kCols = 512;

std::vector<float> RandomWeights(uint64_t rows, uint64_t cols) {
  const CounterRandom random(7, "block errors");
  std::vector<float> weights(rows * cols);
  for (size_t i = 0; i < weights.size(); ++i) {
    weights[i] = static_cast<float>(random.Normal(i)) * 0.02f;
  }
  return weights;
}

size_t PlaceOf(GgmlType type) {
  return static_cast<size_t>(
      std::find(kBlockTypes.begin(), kBlockTypes.end(), type) -
      kBlockTypes.begin());
}

TEST(BlockErrorsTest, AreThoseOfTheDecodedBlocks) {
  const auto weights = RandomWeights(4, kCols);
  std::vector<std::byte> buffer;
  BlockErrors errors;
  MeasureBlockErrors(weights, kCols, true, true, buffer, errors);
  for (size_t k = 0; k < kBlockTypes.size(); ++k) {
    const GgmlType type = kBlockTypes[k];
    std::vector<std::byte> blocks(SchemeBytes(Blocks(type), 4, kCols));
    EncodeBlocks(type, BlockEffort::kFast, weights, kCols, {}, blocks.data());
    std::vector<float> decoded(weights.size());
    DecodeBlocks(type, blocks.data(), decoded);
    double error = 0;
    for (size_t i = 0; i < weights.size(); ++i) {
      const double difference =
          static_cast<double>(weights[i]) - static_cast<double>(decoded[i]);
      error += difference * difference;
    }
    EXPECT_NEAR(errors[k], error, 1e-6 * error) << FactsOf(type).name;
  }
}

TEST(BlockErrorsTest, LeaveOutTypesThatOthersBeatAtTheirBytes) {
  const auto weights = RandomWeights(2, kCols);
  std::vector<std::byte> buffer;
  BlockErrors errors;
  MeasureBlockErrors(weights, kCols, true, false, buffer, errors);
  EXPECT_TRUE(std::isnan(errors[PlaceOf(GgmlType::kQ4_0)]));
  EXPECT_TRUE(std::isnan(errors[PlaceOf(GgmlType::kIQ4_NL)]));
  EXPECT_GT(errors[PlaceOf(GgmlType::kQ4_K)], 0);
  EXPECT_GT(errors[PlaceOf(GgmlType::kQ8_0)], 0);
}

// What IsWorthMeasuring claims, measured.
TEST(BlockErrorsTest, TypesOf256BeatThoseOf32AtTheSameBytes) {
  const auto weights = RandomWeights(8, kCols);
  std::vector<std::byte> buffer;
  BlockErrors errors;
  MeasureBlockErrors(weights, kCols, false, true, buffer, errors);
  const auto error = [&](GgmlType type) { return errors[PlaceOf(type)]; };
  EXPECT_LT(error(GgmlType::kQ4_K), error(GgmlType::kQ4_0));
  EXPECT_LT(error(GgmlType::kQ4_K), error(GgmlType::kIQ4_NL));
  EXPECT_LT(error(GgmlType::kQ5_K), error(GgmlType::kQ5_0));
  // Q4_1 and Q5_1 take 5 and 6 bits a weight, between 4.5, 5.5 and 6.5625.
  EXPECT_LT((error(GgmlType::kQ4_K) + error(GgmlType::kQ5_K)) / 2,
            error(GgmlType::kQ4_1));
  const double share = (6.5625 - 6.0) / (6.5625 - 5.5);
  EXPECT_LT(
      share * error(GgmlType::kQ5_K) + (1 - share) * error(GgmlType::kQ6_K),
      error(GgmlType::kQ5_1));
}

TEST(BlockErrorsTest, NarrowRowsHaveOnlyTheTypesOf32) {
  const auto weights = RandomWeights(2, 96);
  std::vector<std::byte> buffer;
  BlockErrors errors;
  MeasureBlockErrors(weights, 96, true, false, buffer, errors);
  EXPECT_TRUE(std::isnan(errors[PlaceOf(GgmlType::kQ4_K)]));
  EXPECT_GT(errors[PlaceOf(GgmlType::kQ5_1)], 0);
}

}  // namespace
}  // namespace ram
