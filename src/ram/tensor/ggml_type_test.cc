#include "ram/tensor/ggml_type.h"

#include <gtest/gtest.h>

namespace ram {
namespace {

// ggml's own words for its structures: a 16-bit scale and 32 codes of 4 bits;
// scales, low bits and high bits of 256 weights.
TEST(GgmlTypeTest, KnowsTheSizesOfBlocks) {
  EXPECT_EQ(FactsOf(GgmlType::kF32).block_bytes, 4u);
  EXPECT_EQ(FactsOf(GgmlType::kQ4_0).block_bytes, 2u + 32 / 2);
  EXPECT_EQ(FactsOf(GgmlType::kQ5_1).block_bytes, 2u + 2 + 4 + 32 / 2);
  EXPECT_EQ(FactsOf(GgmlType::kQ4_K).block_bytes, 2u + 2 + 12 + 256 / 2);
  EXPECT_EQ(FactsOf(GgmlType::kQ6_K).block_bytes, 128u + 64 + 16 + 2);
  EXPECT_EQ(FactsOf(GgmlType::kQ6_K).block_weights, 256u);
}

TEST(GgmlTypeTest, KnowsNumbersThatGgmlUses) {
  EXPECT_EQ(ParseGgmlType(12u), GgmlType::kQ4_K);
  EXPECT_EQ(ParseGgmlType(4u), std::nullopt);  // Q4_2, taken back
  EXPECT_EQ(ParseGgmlType(1000u), std::nullopt);
}

TEST(GgmlTypeTest, KnowsNames) {
  EXPECT_EQ(ParseGgmlType("IQ4_XS"), GgmlType::kIQ4_XS);
  EXPECT_EQ(ParseGgmlType("Q4_2"), std::nullopt);
}

}  // namespace
}  // namespace ram
