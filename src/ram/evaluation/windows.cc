#include "ram/evaluation/windows.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "ram/base/error.h"
#include "ram/base/random.h"

namespace ram {

std::string_view PrefixTokensName(PrefixTokens prefix) {
  switch (prefix) {
    case PrefixTokens::kAll:
      return "all";
    case PrefixTokens::kFirst:
      return "first";
    case PrefixTokens::kNone:
      return "none";
  }
  return "";
}

std::vector<uint64_t> DrawWindows(uint64_t available, uint64_t count,
                                  uint64_t seed) {
  std::vector<uint64_t> numbers(available);
  std::iota(numbers.begin(), numbers.end(), 0);
  if (count >= available) return numbers;
  const CounterRandom random(seed, "windows");
  std::vector<std::pair<uint64_t, uint64_t>> keyed;
  for (const uint64_t number : numbers) {
    keyed.emplace_back(random.Bits(number), number);
  }
  std::sort(keyed.begin(), keyed.end());
  numbers.resize(count);
  for (size_t i = 0; i < count; ++i) numbers[i] = keyed[i].second;
  std::sort(numbers.begin(), numbers.end());
  return numbers;
}

TextWindows CutWindows(std::span<const int32_t> text,
                       std::span<const int32_t> prefix,
                       const WindowOptions& options, std::string_view source) {
  if (options.window < 2) {
    Fail(ErrorKind::kUsage, "--window: found {}, expected at least 2",
         options.window);
  }
  if (options.windows < 1) {
    Fail(ErrorKind::kUsage, "--windows: found 0, expected at least 1");
  }
  TextWindows result;
  result.available = text.size() / options.window;
  if (result.available == 0) {
    Fail(ErrorKind::kUsage,
         "{}: text: found {} tokens, expected at least {} for one window (a "
         "longer text or a smaller --window)",
         source, text.size(), options.window);
  }
  result.chosen = DrawWindows(result.available, options.windows, options.seed);
  for (const uint64_t number : result.chosen) {
    Segment segment;
    if (options.prefix == PrefixTokens::kAll ||
        (options.prefix == PrefixTokens::kFirst && number == 0)) {
      segment.tokens.assign(prefix.begin(), prefix.end());
    }
    segment.first_scored = static_cast<uint32_t>(segment.tokens.size() + 1);
    const auto own = text.subspan(number * options.window, options.window);
    segment.tokens.insert(segment.tokens.end(), own.begin(), own.end());
    result.segments.push_back(std::move(segment));
  }
  return result;
}

}  // namespace ram
