#include "ram/tokenizer/unicode.h"

#include <gtest/gtest.h>

namespace ram {
namespace {

TEST(UnicodeTest, FindsTheFirstByteThatIsNotUtf8) {
  EXPECT_EQ(FindInvalidUtf8("a\u00e9\u4e2d\U0001F600"), std::nullopt);
  EXPECT_EQ(FindInvalidUtf8("ab\xff"), 2u);
  EXPECT_EQ(FindInvalidUtf8("\xc3"), 0u);              // cut off
  EXPECT_EQ(FindInvalidUtf8("\xc0\xaf"), 0u);          // overlong
  EXPECT_EQ(FindInvalidUtf8("\xed\xa0\x80"), 0u);      // a surrogate
  EXPECT_EQ(FindInvalidUtf8("\xf4\x90\x80\x80"), 0u);  // above U+10FFFF
}

TEST(UnicodeTest, ReplacesWhatIsNotUtf8AndNothingElse) {
  EXPECT_EQ(ReplaceInvalidUtf8("a\u00e9"), "a\u00e9");
  EXPECT_EQ(ReplaceInvalidUtf8("a\xd8 b\xe4\xb8"), "a\ufffd b\ufffd\ufffd");
  EXPECT_EQ(ReplaceInvalidUtf8(""), "");
}

}  // namespace
}  // namespace ram
