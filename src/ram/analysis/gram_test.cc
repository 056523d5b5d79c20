#include "ram/analysis/gram.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include "ram/analysis/spectrum_test_matrix.h"

namespace ram {
namespace {

template <typename T>
AlignedArray<T> RandomArray(size_t count, std::string_view name) {
  const CounterRandom random(3, name);
  AlignedArray<T> values = ZeroArray<T>(count);
  for (size_t i = 0; i < count; ++i) {
    values[i] = static_cast<T>(random.Uniform(i) - 0.5);
  }
  return values;
}

// Runs `body` on every generated target that this machine has.
template <typename Body>
void OnEveryTarget(const Body& body) {
  for (const auto target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    SCOPED_TRACE(hwy::TargetName(target));
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

template <typename T>
void CheckMultiplyTile() {
  constexpr size_t kDepth = 37, kStride = 2 * kTile;
  const auto a = RandomArray<T>(kDepth * kTile, "a");
  const auto b = RandomArray<T>(kDepth * kTile, "b");
  const auto before = RandomArray<T>(kTile * kStride, "c");
  OnEveryTarget([&] {
    auto c = ZeroArray<T>(kTile * kStride);
    std::copy_n(before.get(), kTile * kStride, c.get());
    MultiplyTile(a.get(), b.get(), kDepth, c.get(), kStride);
    for (size_t i = 0; i < kTile; ++i) {
      for (size_t j = 0; j < kStride; ++j) {
        // The documented order, so equal to the last bit.
        T sum = 0;
        for (size_t k = 0; j < kTile && k < kDepth; ++k) {
          sum += a[k * kTile + i] * b[k * kTile + j];
        }
        ASSERT_EQ(c[i * kStride + j], before[i * kStride + j] + sum)
            << i << ", " << j;
      }
    }
  });
}

TEST(GramKernelsTest, MultiplyTileSumsInOrderOnEveryTarget) {
  CheckMultiplyTile<float>();
  CheckMultiplyTile<double>();
}

TEST(GramKernelsTest, TransposesTilesOnEveryTarget) {
  const auto in = RandomArray<float>(kTile * kTile, "in");
  OnEveryTarget([&] {
    auto out = ZeroArray<float>(kTile * kTile);
    TransposeTile(in.get(), out.get());
    for (size_t i = 0; i < kTile; ++i) {
      for (size_t j = 0; j < kTile; ++j) {
        ASSERT_EQ(out[j * kTile + i], in[i * kTile + j]);
      }
    }
  });
}

template <typename T>
void CheckSymmetricRows() {
  constexpr size_t kSize = 5 * kSumLanes;
  auto a = RandomArray<T>(kSize * kSize, "a");
  const auto v = RandomArray<T>(kSize, "v");
  std::vector<double> expected(kSize, 1.0);
  for (size_t i = 0; i < kSize; ++i) {
    for (size_t j = 0; j < kSize; ++j) {
      if (j / kSumLanes < i / kSumLanes) continue;
      if (j / kSumLanes == i / kSumLanes && j < i) {
        a[i * kSize + j] = a[j * kSize + i];
      }
      const double x = static_cast<double>(a[i * kSize + j]);
      expected[i] += x * static_cast<double>(v[j]);
      if (j / kSumLanes > i / kSumLanes) {
        expected[j] += x * static_cast<double>(v[i]);
      }
    }
  }
  std::vector<T> first;
  OnEveryTarget([&] {
    auto out = ZeroArray<T>(kSize);
    std::fill_n(out.get(), kSize, T{1});
    for (size_t row = 0; row < kSize; row += kSumLanes) {
      SymmetricRows(a.get(), kSize, row, kSize, v.get(), out.get());
    }
    const double tolerance = sizeof(T) == 4 ? 1e-5 : 1e-14;
    for (size_t i = 0; i < kSize; ++i) {
      ASSERT_NEAR(static_cast<double>(out[i]), expected[i], tolerance) << i;
    }
    const std::vector<T> found(out.get(), out.get() + kSize);
    if (first.empty()) first = found;
    EXPECT_EQ(found, first);
  });
}

TEST(GramKernelsTest, SymmetricRowsMultipliesOnEveryTarget) {
  CheckSymmetricRows<float>();
  CheckSymmetricRows<double>();
}

TEST(GramKernelsTest, DotHasTheDocumentedOrderOnEveryTarget) {
  constexpr size_t kSize = 7 * kSumLanes;
  const auto x = RandomArray<float>(kSize, "x");
  const auto y = RandomArray<float>(kSize, "y");
  float lanes[kSumLanes] = {};
  for (size_t i = 0; i < kSize; ++i) lanes[i % kSumLanes] += x[i] * y[i];
  float expected = lanes[0];
  for (size_t i = 1; i < kSumLanes; ++i) expected += lanes[i];
  OnEveryTarget([&] { EXPECT_EQ(Dot(x.get(), y.get(), kSize), expected); });
}

TEST(GramKernelsTest, CountBelowCountsEigenvaluesOnEveryTarget) {
  // Second differences: eigenvalue k is 2 - 2 cos(k pi / (n + 1)).
  constexpr size_t kSize = 31;
  const std::vector<double> diagonal(kSize, 2.0);
  std::vector<double> squares(kSize, 1.0);
  squares[0] = 0;
  double shifts[kSumLanes], expected[kSumLanes];
  for (size_t j = 0; j < kSumLanes; ++j) {
    shifts[j] = 0.25 * static_cast<double>(j) + 0.01;
    expected[j] = 0;
    for (size_t k = 1; k <= kSize; ++k) {
      const double angle =
          3.14159265358979323846 * static_cast<double>(k) / (kSize + 1);
      if (2 - 2 * std::cos(angle) < shifts[j]) ++expected[j];
    }
  }
  OnEveryTarget([&] {
    double counts[kSumLanes];
    CountBelow(diagonal.data(), squares.data(), kSize, 1e-100, shifts, counts);
    for (size_t j = 0; j < kSumLanes; ++j) EXPECT_EQ(counts[j], expected[j]);
  });
}

// The Gram matrix over the smaller side, in double precision.
double GramElement(const TestMatrix& matrix, size_t i, size_t j) {
  const bool tall = matrix.cols <= matrix.rows;
  double sum = 0;
  for (size_t k = 0; k < std::max(matrix.rows, matrix.cols); ++k) {
    const size_t at_i = tall ? k * matrix.cols + i : i * matrix.cols + k;
    const size_t at_j = tall ? k * matrix.cols + j : j * matrix.cols + k;
    sum += static_cast<double>(matrix.values[at_i]) *
           static_cast<double>(matrix.values[at_j]);
  }
  return sum;
}

TEST(GramTest, HoldsTheProductsOverTheSmallerSide) {
  for (const auto& [rows, cols] : {std::pair{300, 70}, {70, 300}, {1, 500}}) {
    const TestMatrix matrix = GaussianMatrix(
        static_cast<uint64_t>(rows), static_cast<uint64_t>(cols), "gram");
    auto wide = GramOfSmallerSide<double>(matrix.Reader(), matrix.rows,
                                          matrix.cols, 4, 2);
    auto narrow = GramOfSmallerSide<float>(matrix.Reader(), matrix.rows,
                                           matrix.cols, 4, 2);
    const auto tiled =
        TiledGramOfSmallerSide(matrix.Reader(), matrix.rows, matrix.cols, 4, 2);
    for (size_t i = 0; i < wide.size; ++i) {
      for (size_t j = i; j < wide.size; ++j) {
        const double expected = 16 * GramElement(matrix, i, j);
        EXPECT_NEAR(wide.values[i * wide.stride + j], expected, 1e-13);
        const float found = narrow.values[i * narrow.stride + j];
        EXPECT_NEAR(static_cast<double>(found), expected, 1e-5);
        EXPECT_EQ(
            tiled.Tile(i / kTile, j / kTile)[i % kTile * kTile + j % kTile],
            found);
      }
    }
  }
}

TEST(GramTest, DoesNotDependOnTheChunk) {
  // 8 Mi elements are one chunk: this takes three, the first 48 columns of it
  // alone take one.
  const uint64_t rows = 9000, cols = 2000;
  TestMatrix matrix(rows, cols);
  const CounterRandom random(5, "chunk");
  for (size_t i = 0; i < matrix.values.size(); ++i) {
    matrix.values[i] = static_cast<float>(random.Bits(i) >> 60) - 7.5f;
  }
  TestMatrix part(rows, 48);
  for (uint64_t r = 0; r < rows; ++r) {
    for (uint64_t c = 0; c < 48; ++c) {
      part.at(r, c) = matrix.values[r * cols + c];
    }
  }
  auto all = GramOfSmallerSide<float>(matrix.Reader(), rows, cols, 1, 2);
  auto few = GramOfSmallerSide<float>(part.Reader(), rows, 48, 1, 2);
  for (size_t i = 0; i < 48; ++i) {
    for (size_t j = 0; j < 48; ++j) {
      ASSERT_EQ(all.values[i * all.stride + j], few.values[i * 48 + j]);
    }
  }
}

TEST(GramTest, SurveyFindsTheLargestMagnitudeAndTheEnergy) {
  TestMatrix matrix(37, 53);
  for (float& value : matrix.values) value = 0.5f;
  matrix.at(30, 52) = -3.0f;
  const WeightSurvey survey = SurveyWeights(matrix.Reader(), 37, 53, 3);
  EXPECT_EQ(survey.max_magnitude, 3.0);
  EXPECT_EQ(survey.energy, 0.25 * (37 * 53 - 1) + 9);
}

}  // namespace
}  // namespace ram
