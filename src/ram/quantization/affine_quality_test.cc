// How good the search is, against figures from outside this project.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "ram/quantization/affine.h"
#include "ram/quantization/affine_test_support.h"

namespace ram {
namespace {

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
struct AffineReference {
  Scheme scheme;
  double min_max;
  double search;
  double given_up;
};

TEST(AffineQualityTest, ReachesTheKnownSignalToNoise) {
  for (const AffineReference& known :
       {AffineReference{Affine(8, 64), 43.4, 45.4, 0},
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
TEST(AffineQualityTest, WeighsLargeWeightsAtFewBits) {
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
