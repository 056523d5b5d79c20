#include "ram/quantization/scheme.h"

#include <gtest/gtest.h>

namespace ram {
namespace {

TEST(SchemeTest, ListsWidthsFirst) {
  EXPECT_EQ(AffineSchemeAt(0), Affine(2, 32));
  EXPECT_EQ(AffineSchemeAt(1), Affine(2, 64));
  EXPECT_EQ(AffineSchemeAt(17), Affine(8, 128));
}

TEST(SchemeTest, IndexInvertsTheList) {
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    EXPECT_EQ(AffineSchemeIndex(AffineSchemeAt(i)), i);
  }
}

TEST(SchemeTest, OtherSchemesHaveNoIndex) {
  EXPECT_EQ(AffineSchemeIndex(kFloat16Scheme), -1);
  EXPECT_EQ(AffineSchemeIndex(Affine(7, 64)), -1);
  EXPECT_EQ(AffineSchemeIndex(Affine(4, 48)), -1);
}

TEST(SchemeTest, EverySchemeHasAPlaceOfItsOwn) {
  for (int i = 0; i < kSchemeCount; ++i) {
    EXPECT_EQ(SchemeIndex(SchemeAt(i)), i) << SchemeLabel(SchemeAt(i));
  }
  EXPECT_EQ(SchemeIndex(kFloat16Scheme), -1);
  EXPECT_EQ(SchemeIndex(SignedInt(4, 64)), -1);
  EXPECT_EQ(SchemeIndex({SchemeKind::kBlocks, 5, 256, GgmlType::kQ4_K}), -1);
}

TEST(SchemeTest, BlocksTakeTheBytesOfGgml) {
  EXPECT_EQ(SchemeBytes(Blocks(GgmlType::kQ4_K), 2, 512), 4u * 144);
  EXPECT_EQ(SchemeBytes(Blocks(GgmlType::kQ8_0), 1, 64), 2u * 34);
  EXPECT_TRUE(SchemeFits(Blocks(GgmlType::kIQ4_NL), 96));
  EXPECT_FALSE(SchemeFits(Blocks(GgmlType::kIQ4_XS), 96));
}

TEST(SchemeTest, IntsTakeAScaleOfSixteenBitsAGroup) {
  EXPECT_EQ(SchemeBytes(SignedInt(4, 128), 3, 256), 3u * (256 / 2 + 2 * 2));
  EXPECT_EQ(SchemeBytes(SignedInt(3, 32), 1, 32), 12u + 2);
}

TEST(SchemeTest, NamesBlocksAsGgmlDoes) {
  EXPECT_EQ(SchemeLabel(Blocks(GgmlType::kIQ4_XS)), "IQ4_XS");
  EXPECT_EQ(ParseBlockType("q4_k"), GgmlType::kQ4_K);
  EXPECT_EQ(ParseBlockType("Q8_0"), GgmlType::kQ8_0);
  EXPECT_EQ(ParseBlockType("F16"), std::nullopt);
  EXPECT_EQ(ParseBlockType("IQ2_XS"), std::nullopt);
}

TEST(SchemeTest, BlocksHaveNoRoundingOfTheRuntimesOwn) {
  EXPECT_FALSE(EncoderFits(Encoder::kMinMax, SchemeKind::kBlocks));
  EXPECT_TRUE(EncoderFits(Encoder::kFast, SchemeKind::kBlocks));
  EXPECT_FALSE(EncoderFits(Encoder::kFast, SchemeKind::kAffine));
  EXPECT_TRUE(EncoderFits(Encoder::kMinMax, SchemeKind::kInt));
}

TEST(SchemeTest, NamesKinds) {
  EXPECT_EQ(SchemeKindName(SchemeKind::kAffine), "affine");
  EXPECT_EQ(SchemeKindName(SchemeKind::kFloat), "float");
  EXPECT_EQ(ParseSchemeKind("affine"), SchemeKind::kAffine);
  EXPECT_EQ(ParseSchemeKind("float"), SchemeKind::kFloat);
  EXPECT_EQ(ParseSchemeKind("Affine"), std::nullopt);
}

TEST(SchemeTest, NamesEncoders) {
  EXPECT_EQ(EncoderName(Encoder::kMinMax), "minmax");
  EXPECT_EQ(EncoderName(Encoder::kSearch), "search");
  EXPECT_EQ(ParseEncoder("minmax"), Encoder::kMinMax);
  EXPECT_EQ(ParseEncoder("search"), Encoder::kSearch);
  EXPECT_EQ(ParseEncoder(""), std::nullopt);
}

TEST(SchemeTest, LabelsForPeople) {
  EXPECT_EQ(SchemeLabel(Affine(4, 64)), "4-bit g64");
  EXPECT_EQ(SchemeLabel(kFloat16Scheme), "16-bit");
}

TEST(SchemeTest, FitsWhereGroupsDivideTheRow) {
  EXPECT_TRUE(SchemeFits(Affine(4, 64), 192));
  EXPECT_FALSE(SchemeFits(Affine(4, 128), 192));
  EXPECT_FALSE(SchemeFits(Affine(4, 32), 172));
  EXPECT_FALSE(SchemeFits(Affine(4, 32), 0));
  EXPECT_FALSE(SchemeFits(Affine(7, 32), 64));
  EXPECT_FALSE(SchemeFits(Affine(4, 16), 64));
  EXPECT_TRUE(SchemeFits(kFloat16Scheme, 172));
}

// docs/formats/mlx.md: bits x n / 8 + 4 bytes a group.
TEST(SchemeTest, CountsScalesAndBiases) {
  EXPECT_EQ(SchemeBytes(Affine(4, 64), 2, 128), 128u + 16u);
  EXPECT_EQ(SchemeBytes(Affine(3, 32), 1, 32), 12u + 4u);
  EXPECT_EQ(SchemeBytes(Affine(8, 128), 3, 256), 768u + 24u);
  EXPECT_EQ(SchemeBytes(kFloat16Scheme, 3, 5), 30u);
}

}  // namespace
}  // namespace ram
