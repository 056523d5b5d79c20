#include "ram/analysis/spectrum_krylov.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <numeric>
#include <utility>

#include "ram/analysis/spectrum_test_matrix.h"

namespace ram {
namespace {

// A diagonal matrix: with a random start as hard as any with its spectrum.
BlockOperator Diagonal(const std::vector<double>& values) {
  return [&values](const float* x, float* y) {
    for (size_t i = 0; i < values.size(); ++i) {
      for (size_t j = 0; j < kTile; ++j) {
        y[i * kTile + j] = static_cast<float>(values[i]) * x[i * kTile + j];
      }
    }
  };
}

double Concentration(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.begin() + 25, 0.0) /
         std::accumulate(values.begin(), values.begin() + 256, 0.0);
}

TEST(KrylovTest, KnowsTheConcentrationOfFlatSpectra) {
  for (const size_t size : {size_t{2304}, size_t{6144}}) {
    const std::vector<double> values = QuarterCircleEnergies(size);
    const std::vector<double> found = KrylovEigenvalues(
        Diagonal(values), size, 256, 24, CounterRandom(1, "flat"), 2);
    std::printf("size %zu: error %+.1e\n", size,
                Concentration(found) - Concentration(values));
    EXPECT_NEAR(Concentration(found), Concentration(values), 2e-3);
    EXPECT_NEAR(found[0] / values[0], 1, 1e-3);
  }
}

TEST(KrylovTest, KnowsTheConcentrationOfUnevenSpectra) {
  constexpr size_t kSize = 2304;
  for (const double exponent : {0.3, 1.0, 4.0}) {
    std::vector<double> values(kSize);
    for (size_t i = 0; i < kSize; ++i) {
      values[i] = std::pow(static_cast<double>(i + 1), -exponent);
    }
    const std::vector<double> found = KrylovEigenvalues(
        Diagonal(values), kSize, 256, 24, CounterRandom(1, "power"), 2);
    EXPECT_NEAR(Concentration(found), Concentration(values), 5e-4) << exponent;
  }
  for (const double outlier : {1e1, 1e3, 1e5}) {
    std::vector<double> values = QuarterCircleEnergies(kSize);
    values[0] = outlier;
    const std::vector<double> found = KrylovEigenvalues(
        Diagonal(values), kSize, 256, 24, CounterRandom(1, "outlier"), 2);
    std::printf("outlier %g: error %+.1e\n", outlier,
                Concentration(found) - Concentration(values));
    EXPECT_NEAR(Concentration(found), Concentration(values), 2e-3) << outlier;
  }
}

TEST(KrylovTest, FindsAllEigenvaluesOfSmallMatrices) {
  const std::vector<double> values = QuarterCircleEnergies(100);
  const std::vector<double> found = KrylovEigenvalues(
      Diagonal(values), 100, 100, 30, CounterRandom(1, "small"), 1);
  for (size_t i = 0; i < 100; ++i) EXPECT_NEAR(found[i], values[i], 1e-5);
}

TEST(KrylovTest, HasTheSameBitsOnEveryTarget) {
  const TestMatrix matrix = StudentMatrix(330, 420, 3, "targets");
  const auto measure = [&](const BlockOperator& apply) {
    return KrylovEigenvalues(apply, 330, 256, 30, CounterRandom(1, "bits"), 2);
  };
  const auto both = [&] {
    const TiledGram gram =
        TiledGramOfSmallerSide(matrix.Reader(), 330, 420, 1, 2);
    return std::pair(measure(GramOperator(gram, 2)),
                     measure(WeightsOperator(matrix.Reader(), 330, 420, 1, 2)));
  };
  const auto expected = both();
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    EXPECT_EQ(both(), expected) << hwy::TargetName(target);
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(KrylovTest, FindsZerosWhereTheRankEnds) {
  std::vector<double> values(500, 0.0);
  for (size_t i = 0; i < 60; ++i) values[i] = 2.0;
  const std::vector<double> found = KrylovEigenvalues(
      Diagonal(values), 500, 256, 30, CounterRandom(1, "rank"), 1);
  for (size_t i = 0; i < 256; ++i) EXPECT_NEAR(found[i], values[i], 1e-5) << i;
}

// The columns of y for x = columns 0, 1, ... of the identity matrix are columns
// of A.
void CheckWeightsOperator(uint64_t rows, uint64_t cols) {
  const TestMatrix matrix = GaussianMatrix(rows, cols, "operator");
  const size_t size = std::min(rows, cols);
  const TiledGram gram =
      TiledGramOfSmallerSide(matrix.Reader(), rows, cols, 4, 1);
  const BlockOperator formed = GramOperator(gram, 2);
  const BlockOperator streamed =
      WeightsOperator(matrix.Reader(), rows, cols, 4, 2);
  const size_t count = gram.tiles * kTile * kTile;
  auto x = ZeroArray<float>(count);
  auto y = ZeroArray<float>(count), z = ZeroArray<float>(count);
  for (size_t j = 0; j < kTile; ++j) {
    x[(j * 7) % size * kTile + j] = 1;
  }
  std::fill_n(y.get(), count, 9.0f);
  std::fill_n(z.get(), count, 9.0f);
  formed(x.get(), y.get());
  streamed(x.get(), z.get());
  const bool tall = cols <= rows;
  for (size_t i = 0; i < gram.tiles * kTile; ++i) {
    for (size_t j = 0; j < kTile; ++j) {
      double expected = 0;
      const size_t column = (j * 7) % size;
      for (size_t k = 0; i < size && k < std::max(rows, cols); ++k) {
        const double a = static_cast<double>(
            matrix.values[tall ? k * cols + i : i * cols + k]);
        const double b = static_cast<double>(
            matrix.values[tall ? k * cols + column : column * cols + k]);
        expected += 16 * a * b;
      }
      ASSERT_NEAR(static_cast<double>(y[i * kTile + j]), expected, 2e-5);
      ASSERT_NEAR(static_cast<double>(z[i * kTile + j]), expected, 2e-5);
    }
  }
}

TEST(KrylovTest, OperatorsMultiplyByTheGramMatrix) {
  CheckWeightsOperator(300, 130);
  CheckWeightsOperator(130, 300);
  CheckWeightsOperator(96, 96);
}

TEST(KrylovTest, WeightsOperatorStreamsLargeMatrices) {
  // More than one chunk of 4 Mi weights, either way around.
  for (const auto& [rows, cols] : {std::pair{46000, 100}, {50, 90000}}) {
    TestMatrix matrix(static_cast<uint64_t>(rows), static_cast<uint64_t>(cols));
    for (uint64_t r = 0; r < matrix.rows; ++r) {
      for (uint64_t c = 0; c < matrix.cols; ++c) {
        matrix.at(r, c) = (r + c) % 100 == 0 ? 1.0f : 0.0f;
      }
    }
    const size_t padded = 144;
    auto x = ZeroArray<float>(padded * kTile),
         y = ZeroArray<float>(padded * kTile);
    for (size_t i = 0; i < std::min(matrix.rows, matrix.cols); ++i) {
      x[i * kTile] = static_cast<float>(i);
    }
    WeightsOperator(matrix.Reader(), matrix.rows, matrix.cols, 1, 2)(x.get(),
                                                                     y.get());
    // W holds a permutation of the smaller side, again and again.
    const float times = static_cast<float>(std::max(rows, cols)) / 100;
    for (size_t i = 0; i < std::min(matrix.rows, matrix.cols); ++i) {
      EXPECT_EQ(y[i * kTile], times * static_cast<float>(i)) << i;
    }
  }
}

}  // namespace
}  // namespace ram
