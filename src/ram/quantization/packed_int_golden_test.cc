// Byte equality with compressed-tensors 0.20.1;
// tests/peers/make_packed_int_golden.py wrote the files and documents their
// layout.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "ram/quantization/golden_weights.h"
#include "ram/quantization/packed_int.h"

namespace ram {
namespace {

class PackedIntGoldenTest : public testing::TestWithParam<Golden> {};

TEST_P(PackedIntGoldenTest, MinMaxWritesTheBytesOfCompressedTensors) {
  const std::string file = GetParam().file;
  GoldenReader source(RAM_SOURCE_DIR "/tests/data/affine/" + file);
  GoldenReader golden(RAM_SOURCE_DIR "/tests/data/packed_int/" + file);
  const std::vector<float> weights =
      TakeGoldenWeights(GetParam().weight_dtype, source);
  for (const int bits : kAffineBits) {
    for (const int group : kIntGroups) {
      const Scheme scheme = SignedInt(bits, group);
      std::vector<std::byte> codes(kGoldenRows *
                                   PackedIntCodeBytes(scheme, kGoldenCols));
      std::vector<std::byte> scales(kGoldenRows *
                                    PackedIntScaleBytes(scheme, kGoldenCols));
      EncodePackedInt(scheme, Encoder::kMinMax, GetParam().scale_dtype, weights,
                      kGoldenCols, {codes, scales});
      EXPECT_EQ(codes, golden.Take(codes.size())) << SchemeLabel(scheme);
      EXPECT_EQ(scales, golden.Take(scales.size())) << SchemeLabel(scheme);
    }
  }
  EXPECT_TRUE(golden.at_end());
}

INSTANTIATE_TEST_SUITE_P(Dtypes, PackedIntGoldenTest,
                         testing::ValuesIn(kGoldenFiles), [](const auto& test) {
                           return std::string(
                               DTypeName(test.param.weight_dtype));
                         });

}  // namespace
}  // namespace ram
