#include "ram/quantization/affine.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ram/base/random.h"
#include "ram/quantization/affine_test_support.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

class AffineSchemeTest : public testing::TestWithParam<int> {
 protected:
  Scheme scheme() const { return AffineSchemeAt(GetParam()); }
  size_t group_size() const { return static_cast<size_t>(scheme().group_size); }
};

// 3 rows of 7 groups: no multiple of the 16 groups of a SIMD tile.
TEST_P(AffineSchemeTest, DecodesTheBitStream) {
  const uint64_t cols = 7 * group_size();
  const size_t count = 3 * cols;
  const CounterRandom random(2, "codes");
  Encoded encoded;
  encoded.codes.resize(3 * AffineCodeBytes(scheme(), cols));
  for (size_t i = 0; i < encoded.codes.size(); ++i) {
    encoded.codes[i] = static_cast<std::byte>(random.Bits(i));
  }
  std::vector<float> scales(21), biases(21);
  for (size_t i = 0; i < 21; ++i) {
    scales[i] = static_cast<float>(static_cast<int>(i) - 10) * 0.25f;
    biases[i] = static_cast<float>(i) * 0.5f;
  }
  encoded.scales.resize(42);
  encoded.biases.resize(42);
  FromFloat(DType::kBF16, scales, encoded.scales.data());
  FromFloat(DType::kBF16, biases, encoded.biases.data());
  const std::vector<int> codes = ReadBits(scheme().bits, encoded.codes);
  const std::vector<float> decoded =
      Decode(scheme(), DType::kBF16, encoded, count, cols);
  for (size_t i = 0; i < count; ++i) {
    const size_t group = i / group_size();
    ASSERT_EQ(decoded[i],
              scales[group] * static_cast<float>(codes[i]) + biases[group])
        << i;
  }
}

// Weights on an exact grid: both ends of the range and each code between.
TEST_P(AffineSchemeTest, RestoresWeightsOnAGrid) {
  const int max_code = (1 << scheme().bits) - 1;
  const uint64_t cols = 5 * group_size();
  std::vector<float> weights(19 * cols);
  const CounterRandom random(3, "grid");
  for (size_t i = 0; i < weights.size(); ++i) {
    const size_t at = i % group_size();
    int code = static_cast<int>(random.Bits(i) % (1u << scheme().bits));
    if (at == 0) code = 0;
    if (at == 1) code = max_code;
    weights[i] = static_cast<float>(code) / 64;
  }
  for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
    const Encoded encoded =
        Encode(scheme(), encoder, DType::kBF16, weights, cols);
    EXPECT_EQ(Decode(scheme(), DType::kBF16, encoded, weights.size(), cols),
              weights)
        << EncoderName(encoder);
  }
}

TEST_P(AffineSchemeTest, ReturnsTheErrorOfWhatIsStored) {
  const uint64_t cols = 3 * group_size();
  const std::vector<float> weights = HeavyTailed(37 * cols);
  for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      const Encoded encoded = Encode(scheme(), encoder, dtype, weights, cols);
      const double expected = SquaredError(
          weights, Decode(scheme(), dtype, encoded, weights.size(), cols));
      EXPECT_NEAR(encoded.squared_error, expected, 1e-5 * expected);
    }
  }
}

TEST_P(AffineSchemeTest, MeasuresExactlyWhatSearchStores) {
  const uint64_t cols = 3 * group_size();
  const std::vector<float> weights = HeavyTailed(41 * cols);
  for (const DType dtype : {DType::kBF16, DType::kF16}) {
    const std::vector<Scheme> schemes = {scheme(), Affine(4, 32)};
    std::vector<double> measured(2);
    MeasureAffineSearch(schemes, dtype, weights, cols, measured);
    for (size_t i = 0; i < 2; ++i) {
      EXPECT_EQ(measured[i],
                Encode(schemes[i], Encoder::kSearch, dtype, weights, cols)
                    .squared_error);
    }
  }
}

TEST_P(AffineSchemeTest, StoresTheNearestCodes) {
  const uint64_t cols = 2 * group_size();
  const std::vector<float> weights = Gaussian(33 * cols);
  const Encoded encoded =
      Encode(scheme(), Encoder::kSearch, DType::kBF16, weights, cols);
  const std::vector<int> codes = ReadBits(scheme().bits, encoded.codes);
  const std::vector<float> scales = Floats16(DType::kBF16, encoded.scales);
  const std::vector<float> biases = Floats16(DType::kBF16, encoded.biases);
  const int max_code = (1 << scheme().bits) - 1;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double scale = scales[i / group_size()];
    const double bias = biases[i / group_size()];
    const auto error = [&](int code) {
      return std::abs(weights[i] - (scale * code + bias));
    };
    const double mine = error(codes[i]) - 1e-4 * std::abs(scale);
    if (codes[i] > 0) {
      ASSERT_LE(mine, error(codes[i] - 1)) << i;
    }
    if (codes[i] < max_code) {
      ASSERT_LE(mine, error(codes[i] + 1)) << i;
    }
  }
}

TEST_P(AffineSchemeTest, SearchIsNeverWorseThanMinMax) {
  const uint64_t cols = 4 * group_size();
  const size_t count = 16 * cols;
  std::vector<float> positive = Gaussian(count);
  for (float& w : positive) w = std::abs(w) + 0.5f;
  for (const auto& weights : {Gaussian(count), HeavyTailed(count), positive,
                              Rounded(DType::kBF16, HeavyTailed(count)),
                              std::vector<float>(count, 0.3f)}) {
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      const double min_max =
          Encode(scheme(), Encoder::kMinMax, dtype, weights, cols)
              .squared_error;
      const double search =
          Encode(scheme(), Encoder::kSearch, dtype, weights, cols)
              .squared_error;
      EXPECT_LE(search, min_max * (1 + 1e-6));
    }
  }
}

TEST_P(AffineSchemeTest, StoresFinitePairsForExtremeWeights) {
  const uint64_t cols = group_size();
  const float huge = std::numeric_limits<float>::max();
  std::vector<std::vector<float>> rows;
  for (const float size : {huge, 1e30f, 1e-30f, 1e-42f}) {
    std::vector<float> row = Gaussian(cols);
    for (float& w : row) w = std::clamp(w * 50, -1.0f, 1.0f) * size;
    rows.push_back(row);
    row[0] = size;
    row[1] = -size;
    rows.push_back(row);
    rows.push_back(std::vector<float>(cols, size));
    rows.push_back(std::vector<float>(cols, -size));
  }
  for (const auto& row : rows) {
    for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
      for (const DType dtype : {DType::kBF16, DType::kF16}) {
        const Encoded encoded = Encode(scheme(), encoder, dtype, row, cols);
        for (const auto* pairs : {&encoded.scales, &encoded.biases}) {
          for (const float value : Floats16(dtype, *pairs)) {
            EXPECT_TRUE(std::isfinite(value));
          }
        }
      }
    }
  }
}

TEST_P(AffineSchemeTest, RestoresZeros) {
  const std::vector<float> weights(3 * group_size(), 0.0f);
  for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
    const Encoded encoded =
        Encode(scheme(), encoder, DType::kBF16, weights, group_size());
    EXPECT_EQ(encoded.squared_error, 0);
    EXPECT_EQ(
        Decode(scheme(), DType::kBF16, encoded, weights.size(), group_size()),
        weights);
  }
}

TEST_P(AffineSchemeTest, RowSlicesGiveTheSameBytes) {
  const uint64_t cols = 3 * group_size();
  const std::vector<float> weights = Gaussian(29 * cols);
  const std::vector<float> head(weights.begin(),
                                weights.begin() + 5 * static_cast<int>(cols));
  const Encoded all =
      Encode(scheme(), Encoder::kSearch, DType::kBF16, weights, cols);
  const Encoded part =
      Encode(scheme(), Encoder::kSearch, DType::kBF16, head, cols);
  EXPECT_TRUE(
      std::equal(part.codes.begin(), part.codes.end(), all.codes.begin()));
  EXPECT_TRUE(
      std::equal(part.scales.begin(), part.scales.end(), all.scales.begin()));
  EXPECT_TRUE(
      std::equal(part.biases.begin(), part.biases.end(), all.biases.begin()));
}

TEST_P(AffineSchemeTest, EveryTargetGivesTheSameBytes) {
  const uint64_t cols = 5 * group_size();
  std::vector<float> weights = HeavyTailed(23 * cols);
  std::fill_n(weights.begin(), 2 * cols, 1e-9f);
  std::fill_n(weights.begin() + static_cast<int>(3 * cols), cols, -3e38f);
  const auto run = [&] {
    std::vector<Encoded> out;
    for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
      for (const DType dtype : {DType::kBF16, DType::kF16}) {
        out.push_back(Encode(scheme(), encoder, dtype, weights, cols));
        Encoded decoded;
        for (const float w :
             Decode(scheme(), dtype, out.back(), weights.size(), cols)) {
          for (int shift = 0; shift < 32; shift += 8) {
            decoded.codes.push_back(
                static_cast<std::byte>(std::bit_cast<uint32_t>(w) >> shift));
          }
        }
        out.push_back(decoded);
      }
    }
    return out;
  };
  std::vector<std::vector<Encoded>> results;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    results.push_back(run());
    hwy::SetSupportedTargetsForTest(0);
  }
  ASSERT_GE(results.size(), 1u);
  for (const auto& result : results) EXPECT_TRUE(result == results[0]);
}

// A constant group's bias is its weight; each of these lies half-way between
// two values of the stored type, the second time with the even one above.
TEST(AffineTest, RoundsPairsToEven) {
  const auto stored_bias = [](DType dtype, float weight) {
    const Encoded encoded = Encode(Affine(4, 32), Encoder::kMinMax, dtype,
                                   std::vector<float>(32, weight), 32);
    return Floats16(dtype, encoded.biases)[0];
  };
  EXPECT_EQ(stored_bias(DType::kF16, 1 + 0x1p-11f), 1);
  EXPECT_EQ(stored_bias(DType::kF16, 1 + 0x3p-11f), 1 + 0x1p-9f);
  EXPECT_EQ(stored_bias(DType::kF16, 0x5p-25f), 0x2p-24f);  // subnormal
  EXPECT_EQ(stored_bias(DType::kF16, 0x3p-25f), 0x2p-24f);
  EXPECT_EQ(stored_bias(DType::kBF16, -1 - 0x1p-8f), -1);
  EXPECT_EQ(stored_bias(DType::kBF16, -1 - 0x3p-8f), -1 - 0x1p-6f);
}

INSTANTIATE_TEST_SUITE_P(Schemes, AffineSchemeTest,
                         testing::Range(0, kAffineSchemeCount),
                         [](const auto& test) {
                           const Scheme scheme = AffineSchemeAt(test.param);
                           return "Bits" + std::to_string(scheme.bits) +
                                  "Group" + std::to_string(scheme.group_size);
                         });

}  // namespace
}  // namespace ram
