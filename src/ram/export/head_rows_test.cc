#include "ram/export/head_rows.h"

#include <gmock/gmock.h>

#include <numeric>

namespace ram {
namespace {

std::vector<std::byte> Counting(size_t count) {
  std::vector<std::byte> bytes(count);
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<std::byte>(i);
  return bytes;
}

std::vector<int> Ints(std::span<const std::byte> bytes) {
  std::vector<int> ints;
  for (const std::byte byte : bytes) ints.push_back(static_cast<int>(byte));
  return ints;
}

TEST(HeadRowsTest, TakesTheHalvesOfEachHeadInTurn) {
  const auto rows = Counting(12);  // two heads of 6 rows of a byte
  std::vector<std::byte> buffer;
  EXPECT_THAT(Ints(InPairs(6, 1, rows, buffer)),
              testing::ElementsAre(0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11));
}

TEST(HeadRowsTest, KeepsTheBytesOfARowTogether) {
  const auto rows = Counting(8);  // a head of 4 rows of two bytes
  std::vector<std::byte> buffer;
  EXPECT_THAT(Ints(InPairs(4, 2, rows, buffer)),
              testing::ElementsAre(0, 1, 4, 5, 2, 3, 6, 7));
}

TEST(HeadRowsTest, TakesBackWhatItDid) {
  const auto rows = Counting(240);
  std::vector<std::byte> paired, back;
  const auto out = InPairs(8, 3, rows, paired);
  EXPECT_EQ(Ints(OutOfPairs(8, 3, out, back)), Ints(rows));
}

TEST(HeadRowsTest, LeavesRowsWithoutHeadsAsTheyAre) {
  const auto rows = Counting(9);
  std::vector<std::byte> buffer;
  EXPECT_EQ(InPairs(0, 3, rows, buffer).data(), rows.data());
}

}  // namespace
}  // namespace ram
