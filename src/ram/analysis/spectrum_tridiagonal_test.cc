#include "ram/analysis/spectrum_tridiagonal.h"

#include <gtest/gtest.h>

#include <Eigen/Eigenvalues>
#include <cmath>

#include "ram/base/random.h"

namespace ram {
namespace {

TEST(TridiagonalTest, KnowsTheEigenvaluesOfSecondDifferences) {
  constexpr size_t kSize = 100;
  Tridiagonal matrix;
  matrix.diagonal.assign(kSize, 2.0);
  matrix.squares.assign(kSize, 1.0);
  matrix.squares[0] = 0;
  const std::vector<double> found = LargestEigenvalues(matrix, 30, 50);
  ASSERT_EQ(found.size(), 30u);
  for (size_t i = 0; i < found.size(); ++i) {
    const double angle =
        3.14159265358979323846 * static_cast<double>(kSize - i) / (kSize + 1);
    EXPECT_NEAR(found[i], 2 - 2 * std::cos(angle), 1e-13) << i;
  }
}

template <typename T>
void CheckAgainstEigen(size_t size, double tolerance) {
  const CounterRandom random(11, "symmetric");
  const auto n = static_cast<Eigen::Index>(size);
  Eigen::MatrixXd factor(n, n);
  for (Eigen::Index i = 0; i < n * n; ++i) {
    factor(i) = random.Uniform(static_cast<uint64_t>(i)) - 0.4;
  }
  const Eigen::MatrixXd product = factor.transpose() * factor;
  Gram<T> gram = ZeroGram<T>(size);
  for (size_t i = 0; i < size; ++i) {
    for (size_t j = i / kTile * kTile; j < size; ++j) {
      gram.values[i * gram.stride + j] = static_cast<T>(
          product(static_cast<Eigen::Index>(i), static_cast<Eigen::Index>(j)));
    }
  }
  const Eigen::VectorXd expected =
      Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>(product,
                                                     Eigen::EigenvaluesOnly)
          .eigenvalues();
  const std::vector<double> found =
      LargestEigenvalues(Tridiagonalize(gram), size, 54);
  ASSERT_EQ(found.size(), size);
  for (size_t i = 0; i < size; ++i) {
    EXPECT_NEAR(found[i], expected(n - 1 - static_cast<Eigen::Index>(i)),
                tolerance * expected(n - 1))
        << i << " of " << size;
  }
}

TEST(TridiagonalTest, AgreesWithEigen) {
  // A few units of rounding of the largest eigenvalue.
  for (const int n : {1, 2, 3, 15, 16, 17, 48, 49, 97, 200}) {
    const auto size = static_cast<size_t>(n);
    CheckAgainstEigen<float>(size, 2e-6);
    CheckAgainstEigen<double>(size, 2e-14);
  }
}

TEST(TridiagonalTest, SurvivesZeroAndDiagonalMatrices) {
  Gram<float> zero = ZeroGram<float>(70);
  EXPECT_EQ(LargestEigenvalues(Tridiagonalize(zero), 70, 30),
            std::vector<double>(70, 0.0));
  Gram<float> diagonal = ZeroGram<float>(70);
  for (size_t i = 0; i < 70; ++i) {
    diagonal.values[i * diagonal.stride + i] = static_cast<float>(i);
  }
  const std::vector<double> found =
      LargestEigenvalues(Tridiagonalize(diagonal), 70, 40);
  for (size_t i = 0; i < 70; ++i) {
    EXPECT_NEAR(found[i], static_cast<double>(69 - i), 1e-9);
  }
}

}  // namespace
}  // namespace ram
