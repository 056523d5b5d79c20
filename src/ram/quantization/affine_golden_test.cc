// Byte equality with MLX 0.32.4; tests/peers/make_affine_golden.py wrote the
// files and documents their layout.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ram/quantization/affine.h"
#include "ram/quantization/golden_weights.h"

namespace ram {
namespace {

class AffineGoldenTest : public testing::TestWithParam<Golden> {};

TEST_P(AffineGoldenTest, MinMaxWritesMlxBytes) {
  GoldenReader golden(RAM_SOURCE_DIR "/tests/data/affine/" +
                      std::string(GetParam().file));
  const std::vector<float> weights =
      TakeGoldenWeights(GetParam().weight_dtype, golden);
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    const Scheme scheme = AffineSchemeAt(i);
    std::vector<std::byte> codes(kGoldenRows *
                                 AffineCodeBytes(scheme, kGoldenCols));
    std::vector<std::byte> scales(kGoldenRows *
                                  AffineScaleBytes(scheme, kGoldenCols));
    std::vector<std::byte> biases(scales.size());
    EncodeAffine(scheme, Encoder::kMinMax, GetParam().scale_dtype, weights,
                 kGoldenCols, {codes, scales, biases});
    EXPECT_EQ(codes, golden.Take(codes.size())) << SchemeLabel(scheme);
    EXPECT_EQ(scales, golden.Take(scales.size())) << SchemeLabel(scheme);
    EXPECT_EQ(biases, golden.Take(biases.size())) << SchemeLabel(scheme);
  }
  EXPECT_TRUE(golden.at_end());
}

INSTANTIATE_TEST_SUITE_P(Dtypes, AffineGoldenTest,
                         testing::ValuesIn(kGoldenFiles), [](const auto& test) {
                           return std::string(
                               DTypeName(test.param.weight_dtype));
                         });

}  // namespace
}  // namespace ram
