// How good the search for integer scales is, against figures from outside this
// project.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "ram/quantization/affine_test_support.h"
#include "ram/quantization/packed_int.h"

namespace ram {
namespace {

double PackedSignalToNoise(const Scheme& scheme, Encoder encoder) {
  const std::vector<float> weights =
      Rounded(DType::kBF16, Gaussian(1024 * 1024));
  double power = 0;
  for (const float w : weights) power += static_cast<double>(w) * w;
  double error = 0;
  MeasurePackedInt(std::span(&scheme, 1), encoder, DType::kBF16, weights, 1024,
                   std::span(&error, 1));
  return 10 * std::log10(power / error);
}

// Signal to noise in dB on Gaussian weights: of compressed-tensors' rounding,
// and of the best of 60 or more scales of either sign, plain squared error,
// both by a program outside this project.
struct PackedReference {
  Scheme scheme;
  double min_max;
  double best;
  double given_up;  // by trying a few
};

TEST(PackedIntQualityTest, ComesCloseToTheBestOfManyScales) {
  for (const PackedReference& known :
       {PackedReference{SignedInt(4, 128), 19.12, 20.32, 0.1},
        {SignedInt(4, 32), 20.46, 21.84, 0.1},
        {SignedInt(8, 128), 43.03, 44.21, 0.15},
        {SignedInt(8, 32), 44.31, 46.29, 0.25}}) {
    const std::string label = SchemeLabel(known.scheme);
    EXPECT_NEAR(PackedSignalToNoise(known.scheme, Encoder::kMinMax),
                known.min_max, 0.05)
        << label;
    EXPECT_GT(PackedSignalToNoise(known.scheme, Encoder::kSearch),
              known.best - known.given_up)
        << label;
  }
}

}  // namespace
}  // namespace ram
