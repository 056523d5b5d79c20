#include "ram/analysis/search_schemes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace ram {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;

// An error that halves with every quarter of a bit lies on a convex curve.
std::array<double, kAffineSchemeCount> ErrorsByBytes() {
  std::array<double, kAffineSchemeCount> errors;
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    const double bytes =
        static_cast<double>(SchemeBytes(AffineSchemeAt(i), 1, 128));
    errors[static_cast<size_t>(i)] = std::exp2(-bytes / 4);
  }
  return errors;
}

TEST(SearchSchemesTest, KeepsAConvexCurveWhole) {
  // Of schemes with equal bytes, none here: 6 widths x 3 groups all differ.
  EXPECT_EQ(SchemesToSearch(ErrorsByBytes(), 1, 128).size(), 18u);
}

// A quarter of a bit that takes 1.5 dB off, as on Gaussian weights, is worth
// 6 % more than a mix of its neighbours; a whole bit is worth 20 %.
TEST(SearchSchemesTest, ThinsACurveThatIsNearlyStraight) {
  std::array<double, kAffineSchemeCount> errors;
  for (int i = 0; i < kAffineSchemeCount; ++i) {
    const double bytes =
        static_cast<double>(SchemeBytes(AffineSchemeAt(i), 1, 128));
    errors[static_cast<size_t>(i)] = std::exp2(-bytes / 8);
  }
  const auto schemes = SchemesToSearch(errors, 1, 128);
  EXPECT_LE(schemes.size(), 12u);
  for (const int bits : kAffineBits) {
    EXPECT_THAT(schemes, Contains(testing::Field(&Scheme::bits, bits)));
  }
  EXPECT_THAT(schemes, Contains(Affine(2, 128)));
  EXPECT_THAT(schemes, Contains(Affine(8, 32)));
}

TEST(SearchSchemesTest, DropsWhatIsDominated) {
  auto errors = ErrorsByBytes();
  for (const int bits : {3, 5, 6}) {
    for (const int group : kAffineGroups) {
      errors[static_cast<size_t>(AffineSchemeIndex(Affine(bits, group)))] = 1.0;
    }
  }
  for (const Scheme& scheme : SchemesToSearch(errors, 1, 128)) {
    EXPECT_TRUE(scheme.bits == 2 || scheme.bits == 4 || scheme.bits == 8);
  }
}

// All as bad as the smallest: only the two that are always wanted remain.
TEST(SearchSchemesTest, AlwaysHas4BitsG64AndTheBestOf8Bits) {
  std::array<double, kAffineSchemeCount> errors;
  errors.fill(1.0);
  errors[static_cast<size_t>(AffineSchemeIndex(Affine(8, 64)))] = 0.999;
  errors[static_cast<size_t>(AffineSchemeIndex(Affine(2, 128)))] = 0.1;
  EXPECT_THAT(SchemesToSearch(errors, 16, 128),
              ElementsAre(Affine(2, 128), Affine(4, 64), Affine(8, 64)));
}

TEST(SearchSchemesTest, HasOnlySchemesThatFit) {
  for (const Scheme& scheme : SchemesToSearch(ErrorsByBytes(), 1, 96)) {
    EXPECT_EQ(scheme.group_size, 32);
  }
  EXPECT_TRUE(SchemesToSearch(ErrorsByBytes(), 1, 100).empty());
}

}  // namespace
}  // namespace ram
