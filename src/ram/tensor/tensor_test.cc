#include <gtest/gtest.h>
#include <hwy/targets.h>

#include <cmath>
#include <limits>
#include <vector>

#include "ram/tensor/convert.h"
#include "ram/tensor/dtype.h"

namespace ram {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

TEST(DTypeTest, RoundTripsEveryName) {
  for (const char* name :
       {"BOOL", "U8", "I8", "F8_E4M3", "F8_E5M2", "F8_E8M0", "U16", "I16",
        "F16", "BF16", "U32", "I32", "F32", "U64", "I64", "F64"}) {
    const auto dtype = ParseDType(name);
    ASSERT_TRUE(dtype) << name;
    EXPECT_EQ(DTypeName(*dtype), name);
  }
  EXPECT_FALSE(ParseDType("F4"));
}

TEST(BF16Test, RoundsHalfToEven) {
  // 1 + 2^-8 lies half way between 1 and 1 + 2^-7.
  EXPECT_EQ(BF16ToFloat(FloatToBF16(1.0f + 0x1p-8f)), 1.0f);
  EXPECT_EQ(BF16ToFloat(FloatToBF16(1.0f + 0x3p-8f)), 1.0f + 0x1p-6f);
}

TEST(BF16Test, KeepsNaN) {
  EXPECT_TRUE(
      std::isnan(BF16ToFloat(FloatToBF16(std::bit_cast<float>(0x7F800001u)))));
}

TEST(F16Test, KnowsItsLandmarks) {
  EXPECT_EQ(F16ToFloat(0x3C00), 1.0f);
  EXPECT_EQ(F16ToFloat(0x7BFF), 65504.0f);
  EXPECT_EQ(F16ToFloat(0x0001), 0x1p-24f);
  EXPECT_EQ(F16ToFloat(0xFC00), -kInfinity);
  EXPECT_EQ(FloatToF16(65519.0f), 0x7BFF);
  EXPECT_EQ(FloatToF16(65520.0f), 0x7C00);
  EXPECT_EQ(FloatToF16(0x1p-25f), 0x0000);
  EXPECT_EQ(FloatToF16(0x1.8p-25f), 0x0001);
}

TEST(F16Test, RoundTripsEveryNumber) {
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    const auto half = static_cast<uint16_t>(bits);
    const float value = F16ToFloat(half);
    if (std::isnan(value)) continue;
    EXPECT_EQ(FloatToF16(value), half) << bits;
  }
}

// OCP 8-bit floating point specification, table of E4M3 values.
TEST(F8E4M3Test, KnowsItsLandmarks) {
  EXPECT_EQ(F8E4M3ToFloat(0x7E), 448.0f);
  EXPECT_EQ(F8E4M3ToFloat(0xFE), -448.0f);
  EXPECT_EQ(F8E4M3ToFloat(0x38), 1.0f);
  EXPECT_EQ(F8E4M3ToFloat(0x08), 0x1p-6f);
  EXPECT_EQ(F8E4M3ToFloat(0x01), 0x1p-9f);
  EXPECT_TRUE(std::isnan(F8E4M3ToFloat(0x7F)));
  EXPECT_TRUE(std::isnan(F8E4M3ToFloat(0xFF)));
}

// Runs `body` once for every SIMD target of this processor.
template <typename Body>
void OnEveryTarget(Body&& body) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    body();
  }
  hwy::SetSupportedTargetsForTest(0);
}

TEST(ConvertTest, WidensEveryBF16Exactly) {
  std::vector<uint16_t> in;
  for (uint32_t bits = 0; bits < 0x10000; ++bits) {
    in.push_back(static_cast<uint16_t>(bits));
  }
  OnEveryTarget([&] {
    std::vector<float> out(in.size());
    ToFloat(DType::kBF16, reinterpret_cast<const std::byte*>(in.data()), out);
    for (size_t i = 0; i < in.size(); ++i) {
      EXPECT_EQ(std::bit_cast<uint32_t>(out[i]), static_cast<uint32_t>(in[i])
                                                     << 16);
    }
  });
}

TEST(ConvertTest, NarrowsRowsAsSingleNumbers) {
  std::vector<float> in;
  for (uint32_t i = 0; i < 100003; ++i) {
    in.push_back(std::bit_cast<float>(i * 42943u));
  }
  OnEveryTarget([&] {
    std::vector<uint16_t> out(in.size());
    FromFloat(DType::kBF16, in, reinterpret_cast<std::byte*>(out.data()));
    for (size_t i = 0; i < in.size(); ++i) {
      EXPECT_EQ(out[i], FloatToBF16(in[i])) << i;
    }
  });
}

}  // namespace
}  // namespace ram
