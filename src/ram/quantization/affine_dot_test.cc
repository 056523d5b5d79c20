#include "ram/quantization/affine_dot.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <vector>

#include "ram/quantization/affine_test_support.h"

namespace ram {
namespace {

std::vector<std::byte> Padded(std::vector<std::byte> bytes) {
  // All ones: codes at their largest, scales and biases not a number.
  bytes.resize(bytes.size() + kDotPadding, std::byte{0xFF});
  return bytes;
}

std::vector<float> Activations(size_t count) {
  const CounterRandom random(7, "activations");
  std::vector<float> out(count);
  for (size_t i = 0; i < count; ++i) {
    out[i] = static_cast<float>(random.Normal(i)) + 0.25f;
  }
  return out;
}

// Half of what the activations of a group are rounded to.
double HalfStep(const std::vector<float>& x, uint64_t at, uint64_t group) {
  float largest = 0;
  for (uint64_t i = 0; i < group; ++i) {
    largest = std::max(largest, std::abs(x[at + i]));
  }
  return static_cast<double>(largest) / 32767 / 2;
}

// Multiplies on every SIMD target and compares with sums in double over
// decoded weights. Each activation is rounded to a step of its group. n terms
// summed in float in any order differ by at most n * 2^-24 times the sum of
// the terms' magnitudes; scale * code and bias cancel, so both count.
void ExpectClose(const Scheme& scheme, DType dtype, uint64_t rows,
                 uint64_t vectors, uint64_t cols) {
  const Encoded encoded =
      Encode(scheme, Encoder::kMinMax, dtype, HeavyTailed(rows * cols), cols);
  const std::vector<float> weights =
      Decode(scheme, dtype, encoded, rows * cols, cols);
  const std::vector<float> x = Activations(vectors * cols);
  const auto codes = Padded(encoded.codes), scales = Padded(encoded.scales),
             biases = Padded(encoded.biases);
  const uint64_t group = static_cast<uint64_t>(scheme.group_size);
  double half_step = 0;
  float largest = 0;
  for (const float w : weights) largest = std::max(largest, std::abs(w));
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    AffineActivations arranged;
    arranged.Arrange(scheme, x.data(), vectors, cols);
    std::vector<float> y(vectors * rows, NAN);
    MultiplyAffine({codes.data(), scales.data(), biases.data(), dtype}, rows,
                   arranged, y.data(), rows);
    for (uint64_t v = 0; v < vectors; ++v) {
      for (uint64_t r = 0; r < rows; ++r) {
        double expected = 0, magnitude = 0, rounded = 0;
        for (uint64_t c = 0; c < cols; ++c) {
          if (c % group == 0) half_step = HalfStep(x, v * cols + c, group);
          rounded +=
              half_step * std::abs(static_cast<double>(weights[r * cols + c]));
          expected += static_cast<double>(weights[r * cols + c]) *
                      static_cast<double>(x[v * cols + c]);
          magnitude += 3 * largest * std::abs(x[v * cols + c]);
        }
        ASSERT_NEAR(y[v * rows + r], expected,
                    static_cast<double>(cols) * 0x1p-24 * magnitude + rounded)
            << SchemeLabel(scheme) << " row " << r << " of " << rows
            << ", vector " << v << " of " << vectors << ", " << cols
            << " columns, target " << hwy::TargetName(target);
      }
    }
    hwy::SetSupportedTargetsForTest(0);
  }
}

class AffineDotTest : public testing::TestWithParam<int> {};

// The unit vectors pick each weight out: one product and one bias.
TEST_P(AffineDotTest, PicksEveryWeight) {
  const Scheme scheme = AffineSchemeAt(GetParam());
  constexpr uint64_t kCols = 384, kRows = 5;
  const Encoded encoded = Encode(scheme, Encoder::kMinMax, DType::kBF16,
                                 HeavyTailed(kRows * kCols), kCols);
  const std::vector<float> weights =
      Decode(scheme, DType::kBF16, encoded, kRows * kCols, kCols);
  const auto codes = Padded(encoded.codes), scales = Padded(encoded.scales),
             biases = Padded(encoded.biases);
  float largest = 0;
  for (const float w : weights) largest = std::max(largest, std::abs(w));
  std::vector<float> x(kCols * kCols);
  for (uint64_t c = 0; c < kCols; ++c) x[c * kCols + c] = 1;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    AffineActivations arranged;
    arranged.Arrange(scheme, x.data(), kCols, kCols);
    std::vector<float> y(kCols * kRows, NAN);
    MultiplyAffine({codes.data(), scales.data(), biases.data(), DType::kBF16},
                   kRows, arranged, y.data(), kRows);
    hwy::SetSupportedTargetsForTest(0);
    for (uint64_t i = 0; i < y.size(); ++i) {
      ASSERT_NEAR(y[i], weights[i % kRows * kCols + i / kRows],
                  3 * largest * 0x1p-23f)
          << "column " << i / kRows << ", " << hwy::TargetName(target);
    }
  }
}

// Every number of groups around whole chunks of codes, and rows around the
// blocks of four.
TEST_P(AffineDotTest, EqualsSumsOverDecodedWeights) {
  const Scheme scheme = AffineSchemeAt(GetParam());
  for (uint64_t groups = 1; groups <= 9; ++groups) {
    const uint64_t cols = groups * static_cast<uint64_t>(scheme.group_size);
    ExpectClose(scheme, groups % 2 == 0 ? DType::kBF16 : DType::kF16,
                1 + groups % 5, 1, cols);
  }
}

TEST_P(AffineDotTest, TakesSeveralVectorsAtOnce) {
  const Scheme scheme = AffineSchemeAt(GetParam());
  const uint64_t cols = 3 * static_cast<uint64_t>(scheme.group_size);
  for (const uint64_t vectors : {2u, 4u, 5u, 9u}) {
    ExpectClose(scheme, DType::kBF16, 5, vectors, cols);
  }
}

// Scales are converted 4,096 weights at a time.
TEST_P(AffineDotTest, TakesLongRows) {
  const Scheme scheme = AffineSchemeAt(GetParam());
  ExpectClose(scheme, DType::kBF16, 4, 1, 4096);
  ExpectClose(scheme, DType::kBF16, 1, 1,
              8192 + 3 * static_cast<uint64_t>(scheme.group_size));
}

// The largest activations that there are, and groups of the smallest.
TEST_P(AffineDotTest, TakesActivationsOfAnySize) {
  const Scheme scheme = AffineSchemeAt(GetParam());
  const uint64_t group = static_cast<uint64_t>(scheme.group_size);
  const Encoded encoded =
      Encode(scheme, Encoder::kMinMax, DType::kBF16, HeavyTailed(group), group);
  const std::vector<float> weights =
      Decode(scheme, DType::kBF16, encoded, group, group);
  const auto codes = Padded(encoded.codes), scales = Padded(encoded.scales),
             biases = Padded(encoded.biases);
  const auto multiply = [&](float activation) {
    std::vector<float> x(group);
    x[group - 1] = activation;
    AffineActivations arranged;
    arranged.Arrange(scheme, x.data(), 1, group);
    float y = 0;
    MultiplyAffine({codes.data(), scales.data(), biases.data(), DType::kBF16},
                   1, arranged, &y, 1);
    return y;
  };
  float largest = 0;
  for (const float w : weights) largest = std::max(largest, std::abs(w));
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    EXPECT_NEAR(multiply(1e30f) / 1e30f, weights.back(), largest * 1e-5f);
    EXPECT_NEAR(multiply(-1e-20f) * -1e20f, weights.back(), largest * 1e-5f);
    EXPECT_NEAR(multiply(1e-38f), 0, 1e-36f);
    EXPECT_TRUE(std::isnan(multiply(NAN)));
    EXPECT_TRUE(std::isnan(multiply(INFINITY)));
    hwy::SetSupportedTargetsForTest(0);
  }
}

INSTANTIATE_TEST_SUITE_P(Schemes, AffineDotTest,
                         testing::Range(0, kAffineSchemeCount),
                         [](const auto& test) {
                           const Scheme scheme = AffineSchemeAt(test.param);
                           return "Bits" + std::to_string(scheme.bits) +
                                  "Group" + std::to_string(scheme.group_size);
                         });

}  // namespace
}  // namespace ram
