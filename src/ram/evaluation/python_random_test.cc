#include "ram/evaluation/python_random.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ram {
namespace {

using ::testing::ElementsAre;

// Expected: CPython 3.11, random.Random(1234).sample(range(14), 10), twice.
TEST(PythonRandomTest, SamplesASmallPopulationAsPythonDoes) {
  PythonRandom random(1234);
  EXPECT_THAT(random.Sample(14, 10),
              ElementsAre(12, 7, 1, 0, 11, 10, 9, 8, 2, 13));
  EXPECT_THAT(random.Sample(14, 10),
              ElementsAre(0, 13, 12, 5, 9, 7, 8, 1, 11, 6));
}

// random.Random(1234).sample(range(1119), 25): from a set.
TEST(PythonRandomTest, SamplesALargePopulationAsPythonDoes) {
  PythonRandom random(1234);
  EXPECT_THAT(
      random.Sample(1119, 25),
      ElementsAre(902, 239, 15, 185, 71, 171, 201, 726, 484, 35, 63, 32, 708,
                  991, 949, 304, 186, 374, 234, 29, 1030, 996, 511, 132, 1108));
}

// random.Random(42).sample(range(100), 3), then sample(range(2**20), 4).
TEST(PythonRandomTest, GoesOnWhereTheLastSampleEnded) {
  PythonRandom random(42);
  EXPECT_THAT(random.Sample(100, 3), ElementsAre(81, 14, 3));
  EXPECT_THAT(random.Sample(size_t{1} << 20, 4),
              ElementsAre(576778, 513575, 468106, 292632));
}

}  // namespace
}  // namespace ram
