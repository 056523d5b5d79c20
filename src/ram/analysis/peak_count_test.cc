#include "ram/analysis/peak_count.h"

#include <gtest/gtest.h>

#include <vector>

#include "ram/tensor/convert.h"

namespace ram {
namespace {

PeakCount CountOf(DType dtype, const std::vector<float>& values) {
  std::vector<std::byte> bytes(values.size() * DTypeBytes(dtype));
  FromFloat(dtype, values, bytes.data());
  return CountPeaks(dtype, bytes);
}

TEST(PeakCountTest, CountsBothSigns) {
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    EXPECT_EQ(CountOf(dtype, {0.5f, -2, 1, 2, -2, 0}).count, 3u);
  }
}

TEST(PeakCountTest, CountsMoreThanAnElementHolds) {
  const std::vector<float> values(100000, -1.5f);
  EXPECT_EQ(CountOf(DType::kBF16, values).count, 100000u);
}

TEST(PeakCountTest, MergesToTheLargerMagnitude) {
  PeakCount total;
  for (const std::vector<float>& part :
       {std::vector<float>{1, 1, 1}, {3, 2}, {-3, 3}, {2, 2, 2, 2}}) {
    total.Merge(CountOf(DType::kBF16, part));
  }
  EXPECT_EQ(total.count, 3u);
}

}  // namespace
}  // namespace ram
