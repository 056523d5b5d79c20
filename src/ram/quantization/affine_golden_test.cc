// Byte equality with MLX 0.32.4; tests/peers/make_affine_golden.py wrote the
// files and documents their layout.
#include <gtest/gtest.h>

#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "ram/quantization/affine.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr size_t kRows = 16;
constexpr uint64_t kCols = 256;

struct Golden {
  DType weight_dtype;
  DType scale_dtype;
  const char* file;
};

class AffineGoldenTest : public testing::TestWithParam<Golden> {
 protected:
  void SetUp() override {
    const std::string path =
        std::string(RAM_SOURCE_DIR "/tests/data/affine/") + GetParam().file;
    std::ifstream in(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    ASSERT_FALSE(bytes_.empty()) << path;
    weights_.resize(kRows * kCols);
    const DType dtype = GetParam().weight_dtype;
    ToFloat(dtype, Take(weights_.size() * DTypeBytes(dtype)), weights_);
  }

  const std::byte* Take(size_t count) {
    const std::byte* begin =
        reinterpret_cast<const std::byte*>(bytes_.data()) + at_;
    at_ += count;
    EXPECT_LE(at_, bytes_.size());
    return begin;
  }
  std::vector<std::byte> TakeBytes(size_t count) {
    const std::byte* begin = Take(count);
    return {begin, begin + count};
  }

  std::vector<char> bytes_;
  size_t at_ = 0;
  std::vector<float> weights_;
};

TEST_P(AffineGoldenTest, MinMaxWritesMlxBytes) {
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    const Scheme scheme = AffineSchemeAt(i);
    std::vector<std::byte> codes(kRows * AffineCodeBytes(scheme, kCols));
    std::vector<std::byte> scales(kRows * AffineScaleBytes(scheme, kCols));
    std::vector<std::byte> biases(scales.size());
    EncodeAffine(scheme, Encoder::kMinMax, GetParam().scale_dtype, weights_,
                 kCols, {codes, scales, biases});
    EXPECT_EQ(codes, TakeBytes(codes.size())) << SchemeLabel(scheme);
    EXPECT_EQ(scales, TakeBytes(scales.size())) << SchemeLabel(scheme);
    EXPECT_EQ(biases, TakeBytes(biases.size())) << SchemeLabel(scheme);
  }
  EXPECT_EQ(at_, bytes_.size());
}

INSTANTIATE_TEST_SUITE_P(
    Dtypes, AffineGoldenTest,
    testing::Values(Golden{DType::kBF16, DType::kBF16, "bf16.bin"},
                    Golden{DType::kF16, DType::kF16, "f16.bin"},
                    Golden{DType::kF32, DType::kBF16, "f32.bin"}),
    [](const auto& test) {
      return std::string(DTypeName(test.param.weight_dtype));
    });

}  // namespace
}  // namespace ram
