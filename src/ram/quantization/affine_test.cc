#include "ram/quantization/affine.h"

#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "ram/base/random.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

struct Encoded {
  std::vector<std::byte> codes, scales, biases;
  double squared_error = 0;

  bool operator==(const Encoded&) const = default;
};

Encoded Encode(const Scheme& scheme, Encoder encoder, DType dtype,
               const std::vector<float>& weights, uint64_t cols) {
  const uint64_t rows = weights.size() / cols;
  Encoded out;
  out.codes.resize(rows * AffineCodeBytes(scheme, cols));
  out.scales.resize(rows * AffineScaleBytes(scheme, cols));
  out.biases.resize(rows * AffineScaleBytes(scheme, cols));
  out.squared_error = EncodeAffine(scheme, encoder, dtype, weights, cols,
                                   {out.codes, out.scales, out.biases});
  return out;
}

std::vector<float> Decode(const Scheme& scheme, DType dtype,
                          const Encoded& encoded, size_t weights,
                          uint64_t cols) {
  std::vector<float> out(weights);
  DecodeAffine(scheme, dtype, {encoded.codes, encoded.scales, encoded.biases},
               cols, out);
  return out;
}

double SquaredError(const std::vector<float>& a, const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return sum;
}

std::vector<float> Gaussian(size_t count) {
  const CounterRandom random(1, "affine_test");
  std::vector<float> weights(count);
  for (size_t i = 0; i < count; ++i) {
    weights[i] = static_cast<float>(random.Normal(i) * 0.02);
  }
  return weights;
}

// Cubes of normals: excess kurtosis near 40.
std::vector<float> HeavyTailed(size_t count) {
  std::vector<float> weights = Gaussian(count);
  for (float& w : weights) w = w * w * w * 2500;
  return weights;
}

std::vector<float> Rounded(DType dtype, std::vector<float> weights) {
  for (float& w : weights) w = RoundTo(dtype, w);
  return weights;
}

// The stored bit stream read one bit at a time.
std::vector<int> ReadCodes(const Scheme& scheme,
                           const std::vector<std::byte>& stream) {
  std::vector<int> codes(stream.size() * 8 / static_cast<size_t>(scheme.bits));
  size_t bit = 0;
  for (int& code : codes) {
    for (int i = 0; i < scheme.bits; ++i, ++bit) {
      const int value = static_cast<int>(stream[bit / 8]) >> (bit % 8) & 1;
      code |= value << i;
    }
  }
  return codes;
}

std::vector<float> Floats16(DType dtype, const std::vector<std::byte>& bytes) {
  std::vector<float> out(bytes.size() / 2);
  ToFloat(dtype, bytes.data(), out);
  return out;
}

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
  const std::vector<int> codes = ReadCodes(scheme(), encoded.codes);
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
  const std::vector<int> codes = ReadCodes(scheme(), encoded.codes);
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

INSTANTIATE_TEST_SUITE_P(Schemes, AffineSchemeTest,
                         testing::Range(0, kAffineSchemeCount),
                         [](const auto& test) {
                           const Scheme scheme = AffineSchemeAt(test.param);
                           return "Bits" + std::to_string(scheme.bits) +
                                  "Group" + std::to_string(scheme.group_size);
                         });

double SignalToNoise(const Scheme& scheme, Encoder encoder) {
  const std::vector<float> weights =
      Rounded(DType::kBF16, Gaussian(1024 * 1024));
  double power = 0;
  for (const float w : weights) power += static_cast<double>(w) * w;
  const Encoded encoded = Encode(scheme, encoder, DType::kBF16, weights, 1024);
  return 10 * std::log10(power / encoded.squared_error);
}

// Signal to noise in dB on Gaussian weights, measured with MLX and with a
// least-squares search outside this project. At 2 and 3 bits our search
// minimises a weighed error and gives up a little of the plain one.
struct Reference {
  Scheme scheme;
  double min_max;
  double search;
  double given_up;
};

TEST(AffineTest, ReachesTheKnownSignalToNoise) {
  for (const Reference& known : {Reference{Affine(8, 64), 43.4, 45.4, 0},
                                 {Affine(4, 64), 20.8, 21.7, 0},
                                 {Affine(4, 32), 21.8, 23.0, 0},
                                 {Affine(3, 64), 14.4, 15.6, 0.3},
                                 {Affine(2, 64), 8.1, 9.9, 0.4},
                                 {Affine(2, 32), 8.8, 10.5, 0.4}}) {
    const std::string label = SchemeLabel(known.scheme);
    EXPECT_NEAR(SignalToNoise(known.scheme, Encoder::kMinMax), known.min_max,
                0.1)
        << label;
    EXPECT_GT(SignalToNoise(known.scheme, Encoder::kSearch),
              known.search - known.given_up - 0.05)
        << label;
  }
}

// Sum of (1 + |w| / rms of the group) e^2.
double WeighedError(const Scheme& scheme, Encoder encoder,
                    const std::vector<float>& weights) {
  const Encoded encoded = Encode(scheme, encoder, DType::kBF16, weights, 128);
  const std::vector<float> decoded =
      Decode(scheme, DType::kBF16, encoded, weights.size(), 128);
  const size_t group_size = static_cast<size_t>(scheme.group_size);
  double sum = 0;
  for (size_t begin = 0; begin < weights.size(); begin += group_size) {
    double power = 0;
    for (size_t i = begin; i < begin + group_size; ++i) {
      power += static_cast<double>(weights[i]) * weights[i];
    }
    const double rms = std::sqrt(power / static_cast<double>(group_size));
    for (size_t i = begin; i < begin + group_size; ++i) {
      const double error = static_cast<double>(weights[i]) - decoded[i];
      sum += (1 + std::abs(weights[i]) / rms) * error * error;
    }
  }
  return sum;
}

// A least-squares search outside this project gains 1.54 and 1.05 dB over
// min-max when it weighs errors so, 1.22 and 0.82 when it does not.
TEST(AffineTest, WeighsLargeWeightsAtFewBits) {
  const std::vector<float> weights = Gaussian(128 * 1024);
  for (const auto& [scheme, gain] :
       {std::pair{Affine(2, 64), 1.5}, {Affine(3, 64), 1.0}}) {
    EXPECT_GT(10 * std::log10(WeighedError(scheme, Encoder::kMinMax, weights) /
                              WeighedError(scheme, Encoder::kSearch, weights)),
              gain)
        << SchemeLabel(scheme);
  }
}

}  // namespace
}  // namespace ram
