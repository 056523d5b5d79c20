#include "ram/analysis/search_schemes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace ram {
namespace {

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
