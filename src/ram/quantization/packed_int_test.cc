#include "ram/quantization/packed_int.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <tuple>
#include <vector>

#include "ram/quantization/affine_test_support.h"

namespace ram {
namespace {

struct EncodedInt {
  std::vector<std::byte> codes, scales;
  double squared_error = 0;

  bool operator==(const EncodedInt&) const = default;
};

EncodedInt EncodeInt(const Scheme& scheme, Encoder encoder, DType dtype,
                     const std::vector<float>& weights, uint64_t cols) {
  const uint64_t rows = weights.size() / cols;
  EncodedInt out;
  out.codes.resize(rows * PackedIntCodeBytes(scheme, cols));
  out.scales.resize(rows * PackedIntScaleBytes(scheme, cols));
  out.squared_error = EncodePackedInt(scheme, encoder, dtype, weights, cols,
                                      {out.codes, out.scales});
  return out;
}

std::vector<float> DecodeInt(const Scheme& scheme, DType dtype,
                             const EncodedInt& encoded, size_t weights,
                             uint64_t cols) {
  std::vector<float> out(weights);
  DecodePackedInt(scheme, dtype, {encoded.codes, encoded.scales}, cols, out);
  return out;
}

class PackedIntTest : public testing::TestWithParam<std::tuple<int, int>> {
 protected:
  Scheme scheme() const {
    return SignedInt(std::get<0>(GetParam()), std::get<1>(GetParam()));
  }
  size_t group_size() const { return static_cast<size_t>(scheme().group_size); }
  int zero_code() const { return 1 << (scheme().bits - 1); }
  // q of a row of codes, one bit at a time.
  std::vector<int> SignedCodes(const EncodedInt& encoded) const {
    std::vector<int> codes = ReadBits(scheme().bits, encoded.codes);
    for (int& code : codes) code -= zero_code();
    return codes;
  }
};

// 3 rows of 7 groups: no multiple of the 16 groups of a SIMD tile.
TEST_P(PackedIntTest, DecodesTheBitStream) {
  const uint64_t cols = 7 * group_size();
  const size_t count = 3 * cols;
  const CounterRandom random(2, "codes");
  EncodedInt encoded;
  encoded.codes.resize(3 * PackedIntCodeBytes(scheme(), cols));
  for (size_t i = 0; i < encoded.codes.size(); ++i) {
    encoded.codes[i] = static_cast<std::byte>(random.Bits(i));
  }
  std::vector<float> scales(21);
  for (size_t i = 0; i < 21; ++i) {
    scales[i] = static_cast<float>(static_cast<int>(i) - 10) * 0.25f;
  }
  encoded.scales.resize(42);
  FromFloat(DType::kF16, scales, encoded.scales.data());
  const std::vector<int> codes = SignedCodes(encoded);
  const std::vector<float> decoded =
      DecodeInt(scheme(), DType::kF16, encoded, count, cols);
  for (size_t i = 0; i < count; ++i) {
    ASSERT_EQ(decoded[i],
              scales[i / group_size()] * static_cast<float>(codes[i]))
        << i;
  }
}

TEST_P(PackedIntTest, ReturnsTheErrorOfWhatIsStored) {
  const uint64_t cols = 3 * group_size();
  const std::vector<float> weights = HeavyTailed(37 * cols);
  for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      const EncodedInt encoded =
          EncodeInt(scheme(), encoder, dtype, weights, cols);
      const double expected = SquaredError(
          weights, DecodeInt(scheme(), dtype, encoded, weights.size(), cols));
      EXPECT_NEAR(encoded.squared_error, expected, 1e-5 * expected);
    }
  }
}

TEST_P(PackedIntTest, MeasuresExactlyWhatIsStored) {
  const uint64_t cols = 3 * 128;
  const std::vector<float> weights = HeavyTailed(41 * cols);
  const std::vector<Scheme> schemes = {SignedInt(4, 32), scheme(),
                                       SignedInt(8, 128)};
  for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
    std::vector<double> measured(schemes.size());
    MeasurePackedInt(schemes, encoder, DType::kBF16, weights, cols, measured);
    for (size_t i = 0; i < schemes.size(); ++i) {
      EXPECT_EQ(measured[i],
                EncodeInt(schemes[i], encoder, DType::kBF16, weights, cols)
                    .squared_error);
    }
  }
}

TEST_P(PackedIntTest, StoresTheNearestCodes) {
  const uint64_t cols = 2 * group_size();
  const std::vector<float> weights = Gaussian(33 * cols);
  const EncodedInt encoded =
      EncodeInt(scheme(), Encoder::kSearch, DType::kBF16, weights, cols);
  const std::vector<int> codes = SignedCodes(encoded);
  const std::vector<float> scales = Floats16(DType::kBF16, encoded.scales);
  for (size_t i = 0; i < weights.size(); ++i) {
    const double scale = scales[i / group_size()];
    const auto error = [&](int code) {
      return std::abs(weights[i] - scale * code);
    };
    const double mine = error(codes[i]) - 1e-4 * std::abs(scale);
    if (codes[i] > -zero_code()) {
      ASSERT_LE(mine, error(codes[i] - 1)) << i;
    }
    if (codes[i] < zero_code() - 1) {
      ASSERT_LE(mine, error(codes[i] + 1)) << i;
    }
  }
}

TEST_P(PackedIntTest, SearchIsNeverWorseThanMinMax) {
  const uint64_t cols = 4 * group_size();
  const size_t count = 16 * cols;
  std::vector<float> positive = Gaussian(count);
  for (float& w : positive) w = std::abs(w) + 0.5f;
  for (const auto& weights : {Gaussian(count), HeavyTailed(count), positive,
                              Rounded(DType::kBF16, HeavyTailed(count)),
                              std::vector<float>(count, 0.3f)}) {
    for (const DType dtype : {DType::kBF16, DType::kF16}) {
      const double min_max =
          EncodeInt(scheme(), Encoder::kMinMax, dtype, weights, cols)
              .squared_error;
      const double search =
          EncodeInt(scheme(), Encoder::kSearch, dtype, weights, cols)
              .squared_error;
      EXPECT_LE(search, min_max * (1 + 1e-6));
    }
  }
}

// Codes reach further below zero than above, so whichever sign of the scale
// puts the largest weight there is the better one: each in half of the groups.
TEST_P(PackedIntTest, SearchTakesScalesOfBothSigns) {
  const std::vector<float> weights = Gaussian(1000 * group_size());
  const EncodedInt encoded = EncodeInt(scheme(), Encoder::kSearch, DType::kBF16,
                                       weights, group_size());
  const std::vector<float> scales = Floats16(DType::kBF16, encoded.scales);
  const auto negative = std::count_if(scales.begin(), scales.end(),
                                      [](float scale) { return scale < 0; });
  EXPECT_GT(negative, 300);
  EXPECT_LT(negative, 700);
}

TEST_P(PackedIntTest, StoresFiniteScalesForExtremeWeights) {
  const uint64_t cols = group_size();
  const float huge = std::numeric_limits<float>::max();
  for (const float size : {huge, 1e30f, 1e-30f, 1e-42f}) {
    std::vector<float> row = Gaussian(cols);
    for (float& w : row) w = std::clamp(w * 50, -1.0f, 1.0f) * size;
    row[0] = size;
    row[1] = -size;
    for (const auto& weights : {row, std::vector<float>(cols, size),
                                std::vector<float>(cols, -size)}) {
      for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
        for (const DType dtype : {DType::kBF16, DType::kF16}) {
          const EncodedInt encoded =
              EncodeInt(scheme(), encoder, dtype, weights, cols);
          for (const float scale : Floats16(dtype, encoded.scales)) {
            EXPECT_TRUE(std::isfinite(scale));
            EXPECT_NE(scale, 0);
          }
        }
      }
    }
  }
}

TEST_P(PackedIntTest, RestoresZeros) {
  const std::vector<float> weights(3 * group_size(), 0.0f);
  for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
    const EncodedInt encoded =
        EncodeInt(scheme(), encoder, DType::kBF16, weights, group_size());
    EXPECT_EQ(encoded.squared_error, 0);
    EXPECT_EQ(DecodeInt(scheme(), DType::kBF16, encoded, weights.size(),
                        group_size()),
              weights);
  }
}

TEST_P(PackedIntTest, EveryTargetGivesTheSameBytes) {
  const uint64_t cols = 5 * group_size();
  std::vector<float> weights = HeavyTailed(23 * cols);
  std::fill_n(weights.begin(), 2 * cols, 1e-9f);
  std::fill_n(weights.begin() + static_cast<int>(3 * cols), cols, -3e38f);
  const auto run = [&] {
    std::vector<EncodedInt> out;
    for (const Encoder encoder : {Encoder::kMinMax, Encoder::kSearch}) {
      for (const DType dtype : {DType::kBF16, DType::kF16}) {
        out.push_back(EncodeInt(scheme(), encoder, dtype, weights, cols));
      }
    }
    return out;
  };
  std::vector<std::vector<EncodedInt>> results;
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    results.push_back(run());
    hwy::SetSupportedTargetsForTest(0);
  }
  ASSERT_GE(results.size(), 1u);
  for (const auto& result : results) EXPECT_TRUE(result == results[0]);
}

INSTANTIATE_TEST_SUITE_P(Schemes, PackedIntTest,
                         testing::Combine(testing::ValuesIn(kAffineBits),
                                          testing::ValuesIn(kIntGroups)),
                         [](const auto& test) {
                           return "Bits" +
                                  std::to_string(std::get<0>(test.param)) +
                                  "Group" +
                                  std::to_string(std::get<1>(test.param));
                         });

}  // namespace
}  // namespace ram
