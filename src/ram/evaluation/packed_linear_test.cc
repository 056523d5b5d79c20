#include "ram/evaluation/packed_linear.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "ram/base/random.h"

namespace ram {
namespace {

// Tiny models of every family, in BF16.
Checkpoint Tiny(const std::string& name) {
  return Checkpoint::Open(std::filesystem::path(RAM_SOURCE_DIR) /
                          "tests/data/forward" / name);
}

std::vector<float> Noise(uint64_t count) {
  const CounterRandom random(3, "packed linear test");
  std::vector<float> values(count);
  for (uint64_t i = 0; i < count; ++i) {
    values[i] = static_cast<float>(random.Normal(2 * i));
  }
  return values;
}

class PackedLinearTest : public testing::Test {
 protected:
  // The first matrix of a role.
  const Matrix& MatrixOf(const std::string& role) const {
    for (const Matrix& matrix : checkpoint_.model().matrices) {
      if (matrix.role == role) return matrix;
    }
    throw std::out_of_range("no such matrix");
  }

  std::vector<float> Apply(const Linear& linear, const std::vector<float>& x,
                           uint64_t rows) {
    std::vector<float> y(rows * linear.out(), -1.0f);
    linear.Apply(x.data(), rows, y.data());
    return y;
  }

  Checkpoint checkpoint_ = Tiny("qwen3");
  WorkerPool pool_{2};
  PackedMaker maker_{checkpoint_, pool_};
};

// In double precision; a sum of n products of float32 is off by n units of
// rounding of the sum of their sizes at most.
TEST_F(PackedLinearTest, MultipliesFewAndManyVectors) {
  const Matrix& matrix = MatrixOf("down_proj");
  const auto linear = maker_.Make(matrix, 0, matrix.rows);
  std::vector<float> weights(matrix.rows * matrix.cols);
  checkpoint_.ReadRows(matrix, 0, weights);
  for (const uint64_t rows :
       {uint64_t{1}, uint64_t{3}, kFewVectors, kFewVectors + 1, uint64_t{40}}) {
    const std::vector<float> x = Noise(rows * matrix.cols);
    const std::vector<float> y = Apply(*linear, x, rows);
    for (uint64_t r = 0; r < rows; ++r) {
      for (uint64_t i = 0; i < matrix.rows; ++i) {
        double sum = 0, size = 0;
        for (uint64_t c = 0; c < matrix.cols; ++c) {
          const double product =
              static_cast<double>(weights[i * matrix.cols + c]) *
              static_cast<double>(x[r * matrix.cols + c]);
          sum += product;
          size += std::abs(product);
        }
        const double tolerance =
            static_cast<double>(matrix.cols) * 0x1p-24 * size;
        ASSERT_NEAR(y[r * matrix.rows + i], sum, tolerance)
            << rows << " vectors, " << r << ", " << i;
      }
    }
  }
}

TEST_F(PackedLinearTest, GivesAVectorTheSameBitsAlone) {
  const Matrix& matrix = MatrixOf("gate_proj");
  const auto linear = maker_.Make(matrix, 0, matrix.rows);
  const std::vector<float> x = Noise(kFewVectors * matrix.cols);
  const std::vector<float> all = Apply(*linear, x, kFewVectors);
  for (uint64_t r = 0; r < kFewVectors; ++r) {
    const auto first = x.begin() + static_cast<std::ptrdiff_t>(r * matrix.cols);
    const std::vector<float> one(
        first, first + static_cast<std::ptrdiff_t>(matrix.cols));
    const std::vector<float> alone = Apply(*linear, one, 1);
    for (uint64_t i = 0; i < matrix.rows; ++i) {
      ASSERT_EQ(alone[i], all[r * matrix.rows + i]) << r << ", " << i;
    }
  }
}

TEST_F(PackedLinearTest, TakesRowsOutOfTheMiddle) {
  const Matrix& matrix = MatrixOf("q_proj");
  const auto whole = maker_.Make(matrix, 0, matrix.rows);
  const auto part = maker_.Make(matrix, 5, 9);
  EXPECT_EQ(part->out(), 9u);
  EXPECT_EQ(part->in(), matrix.cols);
  const std::vector<float> x = Noise(matrix.cols);
  const std::vector<float> all = Apply(*whole, x, 1);
  const std::vector<float> some = Apply(*part, x, 1);
  for (uint64_t i = 0; i < 9; ++i) EXPECT_EQ(some[i], all[5 + i]);
}

TEST_F(PackedLinearTest, CountsTheBytesOfBF16) {
  const Matrix& matrix = MatrixOf("up_proj");
  maker_.Make(matrix, 0, matrix.rows);
  maker_.Make(matrix, 1, 2);
  EXPECT_EQ(maker_.bytes(), 2 * (matrix.rows + 2) * matrix.cols);
}

}  // namespace
}  // namespace ram
