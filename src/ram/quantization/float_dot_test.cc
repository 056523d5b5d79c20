#include "ram/quantization/float_dot.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <string>
#include <vector>

#include "ram/base/random.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

class FloatDotTest : public testing::TestWithParam<DType> {};

// Lengths around those of vectors, rows around the blocks of four. n products
// summed in float in any order differ by at most n * 2^-24 times the sum of
// their magnitudes.
TEST_P(FloatDotTest, EqualsSumsInDouble) {
  const DType dtype = GetParam();
  const CounterRandom random(3, "float_dot");
  for (const uint64_t cols : {1u, 15u, 16u, 31u, 33u, 48u, 172u, 1000u}) {
    for (const uint64_t vectors : {1u, 2u, 4u, 6u}) {
      const uint64_t rows = 1 + (cols + vectors) % 6;
      std::vector<float> weights(rows * cols), x(vectors * cols);
      for (size_t i = 0; i < weights.size(); ++i) {
        weights[i] =
            RoundTo(dtype, static_cast<float>(random.Normal(i)) * 0.02f);
      }
      for (size_t i = 0; i < x.size(); ++i) {
        x[i] = static_cast<float>(random.Normal(1'000'000 + i));
      }
      // Behind the last row: not a number.
      std::vector<std::byte> stored(
          weights.size() * DTypeBytes(dtype) + kDotPadding, std::byte{0xFF});
      FromFloat(dtype, weights, stored.data());
      for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
        hwy::SetSupportedTargetsForTest(target);
        std::vector<float> y(vectors * rows, NAN);
        MultiplyFloats(dtype, stored.data(), rows, cols, x.data(), vectors,
                       y.data(), rows);
        hwy::SetSupportedTargetsForTest(0);
        for (uint64_t i = 0; i < vectors * rows; ++i) {
          double expected = 0, magnitude = 0;
          for (uint64_t c = 0; c < cols; ++c) {
            const double product =
                static_cast<double>(weights[i % rows * cols + c]) *
                static_cast<double>(x[i / rows * cols + c]);
            expected += product;
            magnitude += std::abs(product);
          }
          ASSERT_NEAR(y[i], expected,
                      static_cast<double>(cols) * 0x1p-24 * magnitude)
              << rows << " x " << cols << ", " << vectors << " vectors, "
              << hwy::TargetName(target);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(DTypes, FloatDotTest,
                         testing::Values(DType::kF32, DType::kF16,
                                         DType::kBF16),
                         [](const auto& test) {
                           return std::string(DTypeName(test.param));
                         });

}  // namespace
}  // namespace ram
