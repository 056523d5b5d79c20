// The code points that Unicode 15.0, 15.1 and 16.0 assigned, with their general
// category. System libraries may know 14.0 only; the `tokenizers` package
// knows 16.0. Source: DerivedGeneralCategory.txt of both.
#pragma once

#include <span>

namespace ram {

struct RecentRange {
  char32_t first;
  char32_t last;
  char category[3];  // "Lo"
};

// In order.
std::span<const RecentRange> RecentRanges();

}  // namespace ram
