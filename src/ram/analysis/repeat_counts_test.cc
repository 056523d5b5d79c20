#include "ram/analysis/repeat_counts.h"

#include <gtest/gtest.h>

#include <vector>

#include "ram/tensor/convert.h"

namespace ram {
namespace {

RepeatCounts CountOf(DType dtype, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * DTypeBytes(dtype));
  FromFloat(dtype, values, bytes.data());
  return CountRepeats(dtype, bytes);
}

TEST(RepeatCountsTest, BothSignsArePeaks) {
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    EXPECT_EQ(CountOf(dtype, {0.5f, -2, 1, 2, -2, 0}).at_peak, 3u);
  }
}

TEST(RepeatCountsTest, PeaksMayBeMoreThanAnElementHolds) {
  const std::vector<float> values(100000, -1.5f);
  EXPECT_EQ(CountOf(DType::kBF16, values).at_peak, 100000u);
}

TEST(RepeatCountsTest, MergesToTheLargerMagnitude) {
  RepeatCounts total;
  for (const std::vector<float>& part :
       {std::vector<float>{1, 1, 1}, {3, 2}, {-3, 3}, {2, 2, 2, 2}}) {
    total.Merge(CountOf(DType::kBF16, part));
  }
  EXPECT_EQ(total.at_peak, 3u);
}

// Two groups of 32: -3 to 4 four times, zeros apart, and 32 different numbers.
TEST(RepeatCountsTest, CountsDifferentNumbersInAGroup) {
  std::vector<float> values;
  for (int i = 0; i < 32; ++i) values.push_back(static_cast<float>(i % 8 - 3));
  for (int i = 1; i <= 32; ++i) values.push_back(static_cast<float>(i));
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    const RepeatCounts counts = CountOf(dtype, values);
    EXPECT_EQ(counts.sampled, 28u + 32u);
    EXPECT_EQ(counts.distinct, 7u + 32u);
  }
}

}  // namespace
}  // namespace ram
