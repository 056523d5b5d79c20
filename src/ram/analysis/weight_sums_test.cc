#include "ram/analysis/weight_sums.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>

#include "ram/base/random.h"
#include "ram/quantization/affine.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

// rows x cols in a dtype, and the floats that the dtype makes of them.
struct Weights {
  DType dtype;
  uint64_t rows;
  uint64_t cols;
  std::vector<std::byte> bytes;
  std::vector<float> floats;

  Weights(DType type, uint64_t cols_, const std::vector<float>& values)
      : dtype(type), rows(values.size() / cols_), cols(cols_) {
    bytes.resize(values.size() * DTypeBytes(dtype));
    FromFloat(dtype, values, bytes.data());
    floats.resize(values.size());
    ToFloat(dtype, bytes.data(), floats);
  }
  WeightSlice slice() const {
    WeightSlice slice;
    slice.dtype = dtype;
    slice.bytes = bytes;
    slice.rows = rows;
    slice.cols = cols;
    return slice;
  }
  WeightSums Sum() const {
    WeightSums sums;
    WeightSummer().Sum(slice(), sums);
    return sums;
  }
};

std::vector<float> HeavyTailed(size_t n, float mean = 0.0f) {
  const CounterRandom random(1, "weight_sums_test");
  std::vector<float> values(n);
  for (size_t i = 0; i < n; ++i) {
    const double scale = 0.02 * std::exp(random.Normal(2 * i));
    values[i] = mean + static_cast<float>(scale * random.Normal(2 * i + 1));
  }
  return values;
}

// The error that the encoder itself reports, which differs by how it rounds
// decoded weights to floats: 2^-24 of a weight against a step of 2^-8.
void ExpectErrorsOfEncoder(const Weights& weights, double tolerance) {
  const WeightSums sums = weights.Sum();
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    const Scheme scheme = AffineSchemeAt(i);
    if (!SchemeFits(scheme, weights.cols)) continue;
    std::vector<std::byte> codes(weights.rows *
                                 AffineCodeBytes(scheme, weights.cols));
    std::vector<std::byte> scales(weights.rows *
                                  AffineScaleBytes(scheme, weights.cols));
    std::vector<std::byte> biases(scales.size());
    const double expected =
        EncodeAffine(scheme, Encoder::kMinMax, KeptDType(weights.dtype),
                     weights.floats, weights.cols, {codes, scales, biases});
    EXPECT_NEAR(sums.squared_errors[static_cast<size_t>(i)] / expected, 1.0,
                tolerance)
        << SchemeLabel(scheme) << " of " << weights.cols;
  }
}

TEST(WeightSumsTest, HasTheErrorsOfTheEncoder) {
  const auto values = HeavyTailed(512 * 384);
  ExpectErrorsOfEncoder(Weights(DType::kBF16, 384, values), 1e-6);
  ExpectErrorsOfEncoder(Weights(DType::kF16, 384, values), 1e-6);
  ExpectErrorsOfEncoder(Weights(DType::kF32, 384, values), 1e-6);
}

TEST(WeightSumsTest, HasTheErrorsOfTheEncoderInPaddedRows) {
  const auto values = HeavyTailed(512 * 96);
  ExpectErrorsOfEncoder(Weights(DType::kBF16, 96, values), 1e-6);
  ExpectErrorsOfEncoder(Weights(DType::kBF16, 32, values), 1e-6);
  ExpectErrorsOfEncoder(Weights(DType::kF32, 64, values), 1e-6);
}

TEST(WeightSumsTest, HasTheErrorsOfTheEncoderFarFromZero) {
  ExpectErrorsOfEncoder(Weights(DType::kBF16, 128, HeavyTailed(8192, 3.0f)),
                        1e-6);
}

// BF16 weights on a coarse grid, where codes are exactly between two as often
// as not.
TEST(WeightSumsTest, BreaksTiesAsTheEncoderDoes) {
  const CounterRandom random(2, "ties");
  std::vector<float> values(256 * 128);
  for (size_t i = 0; i < values.size(); ++i) {
    values[i] = static_cast<float>(random.Bits(i) % 31) - 15.0f;
  }
  ExpectErrorsOfEncoder(Weights(DType::kBF16, 128, values), 1e-6);
}

TEST(WeightSumsTest, HasNoErrorForConstantGroups) {
  const Weights weights(DType::kBF16, 128, std::vector<float>(1024, 0.375f));
  for (const double error : weights.Sum().squared_errors) EXPECT_EQ(error, 0.0);
}

TEST(WeightSumsTest, SumsPowersAboutThePivot) {
  Weights weights(DType::kF32, 4, {1, 2, 3, 6, 1, 1, 1, 1});
  WeightSlice slice = weights.slice();
  slice.pivot = 1.0f;
  WeightSums sums;
  WeightSummer().Sum(slice, sums);
  EXPECT_EQ(sums.powers[0], 1 + 2 + 5);
  EXPECT_EQ(sums.powers[1], 1 + 4 + 25);
  EXPECT_EQ(sums.powers[2], 1 + 8 + 125);
  EXPECT_EQ(sums.powers[3], 1 + 16 + 625);
  EXPECT_EQ(sums.row_squares[0], 1 + 4 + 9 + 36);
  EXPECT_EQ(sums.row_squares[1], 4);
}

TEST(WeightSumsTest, FindsExtremesWithoutThePadding) {
  const WeightSums sums = Weights(DType::kF32, 3, {5, 6, 7, 5, 9, 5}).Sum();
  EXPECT_EQ(sums.min, 5.0f);
  EXPECT_EQ(sums.max, 9.0f);
  EXPECT_EQ(sums.worst_range, 4.0f);
  EXPECT_EQ(sums.worst_row, 1u);
  EXPECT_EQ(sums.worst_col, 0u);
}

TEST(WeightSumsTest, FindsTheWidestGroupOf64) {
  for (const uint64_t cols : {192u, 200u, 256u, 4096u}) {
    std::vector<float> values(20 * cols);
    for (size_t i = 0; i < values.size(); ++i) values[i] = i % 2 ? 1.0f : 0.0f;
    values[17 * cols + 64 + 5] = 3.0f;
    values[18 * cols + 5] = 3.0f;  // as wide, but later
    values[17 * cols + 0] = 2.5f;
    const WeightSums sums = Weights(DType::kBF16, cols, values).Sum();
    EXPECT_EQ(sums.worst_range, 3.0f);
    EXPECT_EQ(sums.worst_row, 17u);
    EXPECT_EQ(sums.worst_col, 64u);
  }
}

TEST(WeightSumsTest, CountsZerosButNotPadding) {
  std::vector<float> values(50 * 70, 1.0f);
  values[3] = 0.0f;
  values[69] = -0.0f;
  EXPECT_EQ(Weights(DType::kBF16, 70, values).Sum().zeros, 2u);
}

// 25 x the mean square of the row is the limit.
TEST(WeightSumsTest, CountsOutliersOfTheirRow) {
  std::vector<float> values(2 * 100, 1.0f);
  values[42] = 5.76f;    // mean square 1.321, limit 5.748
  values[142] = -5.73f;  // mean square 1.318, limit 5.741
  const WeightSums sums = Weights(DType::kF32, 100, values).Sum();
  EXPECT_EQ(sums.outliers, 1u);
}

TEST(WeightSumsTest, SumsColumns) {
  const auto values = HeavyTailed(300 * 200);
  const Weights weights(DType::kBF16, 200, values);
  std::vector<float> signs(300);
  for (size_t i = 0; i < signs.size(); ++i) signs[i] = i % 3 ? 1.0f : -1.0f;
  WeightSlice slice = weights.slice();
  slice.columns = true;
  slice.signs = signs;
  WeightSums sums;
  WeightSummer().Sum(slice, sums);
  for (size_t col = 0; col < 200; ++col) {
    double squares = 0, sum = 0, magnitude = 0;
    for (size_t row = 0; row < 300; ++row) {
      const double w = weights.floats[row * 200 + col];
      squares += w * w;
      sum += static_cast<double>(signs[row]) * w;
      magnitude += std::abs(w);
    }
    // Up to 64 additions in float.
    EXPECT_NEAR(sums.column_squares[col] / squares, 1.0, 64 * 0x1p-24);
    EXPECT_NEAR(sums.signed_sums[col], sum, 64 * 0x1p-24 * magnitude);
  }
}

// A full group of 0 to 15 has no error. The short one, {1, 1.1, 2.5} and 125
// zeros, ranges from 0 to 2.5: the step is 1/6 and 1.1 = 6.6/6 becomes 7/6.
// Without the zeros the step would be 0.1 and nothing off.
TEST(WeightSumsTest, LetsPaddingIntoTheRangeOfTheRoundingError) {
  std::vector<float> values(131);
  for (size_t i = 0; i < 128; ++i) values[i] = static_cast<float>(i % 16);
  values[128] = 1.0f;
  values[129] = 1.1f;
  values[130] = 2.5f;
  const double error = 0.4 / 6.0;
  EXPECT_NEAR(Weights(DType::kF32, 131, values).Sum().rounding_error,
              error * error, 1e-8);
}

TEST(WeightSumsTest, NamesTheFirstNonfiniteWeight) {
  std::vector<float> values(40 * 200, 1.0f);
  values[7 * 200 + 150] = std::numeric_limits<float>::quiet_NaN();
  values[7 * 200 + 199] = std::numeric_limits<float>::infinity();
  values[30 * 200] = -std::numeric_limits<float>::infinity();
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    const WeightSums sums = Weights(dtype, 200, values).Sum();
    EXPECT_EQ(sums.nonfinite, 3u);
    EXPECT_EQ(sums.first_nonfinite, 7u * 200 + 150);
  }
}

TEST(WeightSumsTest, ReadsEveryF16) {
  std::vector<std::byte> bytes(2 * 0x7C00);
  double squares = 0;
  for (uint16_t bits = 0; bits < 0x7C00; ++bits) {
    bytes[2 * bits] = static_cast<std::byte>(bits & 0xFF);
    bytes[2 * bits + 1] = static_cast<std::byte>(bits >> 8);
    squares += std::pow(static_cast<double>(F16ToFloat(bits)), 2);
  }
  WeightSlice slice;
  slice.dtype = DType::kF16;
  slice.bytes = bytes;
  slice.rows = 1;
  slice.cols = 0x7C00;
  WeightSums sums;
  WeightSummer().Sum(slice, sums);
  EXPECT_EQ(sums.nonfinite, 0u);
  EXPECT_EQ(sums.max, 65504.0f);
  EXPECT_EQ(sums.zeros, 1u);
  EXPECT_NEAR(sums.row_squares[0] / squares, 1.0, 128 * 0x1p-24);
}

TEST(WeightSumsTest, GivesTheSameBitsOnEveryTarget) {
  const auto values = HeavyTailed(100 * 416, 0.01f);
  const std::vector<float> signs(100, -1.0f);
  for (const DType dtype : {DType::kBF16, DType::kF16, DType::kF32}) {
    const Weights weights(dtype, 416, values);
    WeightSlice slice = weights.slice();
    slice.pivot = 0.01f;
    slice.columns = true;
    slice.signs = signs;
    std::optional<WeightSums> first;
    for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
      hwy::SetSupportedTargetsForTest(target);
      WeightSums sums;
      WeightSummer().Sum(slice, sums);
      if (!first) first = sums;
      EXPECT_EQ(sums.squared_errors, first->squared_errors) << target;
      EXPECT_EQ(sums.rounding_error, first->rounding_error) << target;
      EXPECT_EQ(sums.powers, first->powers) << target;
      EXPECT_EQ(sums.worst_range, first->worst_range) << target;
      EXPECT_EQ(sums.worst_row, first->worst_row) << target;
      EXPECT_EQ(sums.worst_col, first->worst_col) << target;
      EXPECT_EQ(sums.zeros, first->zeros) << target;
      EXPECT_EQ(sums.outliers, first->outliers) << target;
      EXPECT_EQ(sums.row_squares, first->row_squares) << target;
      EXPECT_EQ(sums.column_squares, first->column_squares) << target;
      EXPECT_EQ(sums.signed_sums, first->signed_sums) << target;
    }
    hwy::SetSupportedTargetsForTest(0);
  }
}

}  // namespace
}  // namespace ram
