#include "ram/evaluation/python_text.h"

#include <gtest/gtest.h>

namespace ram {
namespace {

// Expected values: CPython 3.11.
TEST(PythonTextTest, CapitalizeRaisesTheFirstAndLowersTheRest) {
  EXPECT_EQ(Capitalize(""), "");
  EXPECT_EQ(Capitalize("he Throws"), "He throws");
  EXPECT_EQ(Capitalize("hELLO wORLD"), "Hello world");
  EXPECT_EQ(Capitalize("1ABC"), "1abc");
  EXPECT_EQ(Capitalize("éCOLE"), "École");
  EXPECT_EQ(Capitalize("ǆ A"), "ǅ a");  // title case, not upper
}

TEST(PythonTextTest, StripKnowsEverySpaceOfUnicode) {
  EXPECT_EQ(Strip("\u3000 a b\u00a0\u2028\x1c\n"), "a b");
  EXPECT_EQ(Strip("\u200b a\ufeff"), "\u200b a\ufeff");  // no spaces
  EXPECT_EQ(Strip(" \t "), "");
  EXPECT_EQ(StrippedLength("ab \u2003"), 2u);
}

TEST(PythonTextTest, CodePointsAreLenOfStr) {
  EXPECT_EQ(CodePoints("naïve 🙂"), 7u);
  EXPECT_EQ(CodePoints(""), 0u);
}

TEST(PythonTextTest, ReplaceAllGoesOnBehindTheReplacement) {
  EXPECT_EQ(ReplaceAll("a   b", "  ", " "), "a  b");
  EXPECT_EQ(ReplaceAll("x [title] y [title]", " [title]", ". "), "x.  y. ");
}

}  // namespace
}  // namespace ram
