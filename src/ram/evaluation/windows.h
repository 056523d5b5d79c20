// A text cut into windows: what perplexity is measured on.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "ram/evaluation/score.h"

namespace ram {

// Which windows get the tokens that a model expects before any text. They are
// added before the window's own tokens, take none of its places and are never
// scored, so the targets are the same for every choice.
enum class PrefixTokens : uint8_t {
  kAll,    // every window
  kFirst,  // the window that starts the text, as encoding it whole does
  kNone,
};
std::string_view PrefixTokensName(PrefixTokens prefix);

struct WindowOptions {
  uint64_t window = 2048;  // tokens of text in each, two or more
  uint64_t windows = 256;  // drawn; all of them when there are fewer
  uint64_t seed = 42;
  PrefixTokens prefix = PrefixTokens::kAll;
};

struct TextWindows {
  uint64_t available = 0;        // windows that the text has
  std::vector<uint64_t> chosen;  // their numbers in the text, ascending
  // One per chosen window: prefix, then text. All but the first token of the
  // text are scored: window - 1 targets.
  std::vector<Segment> segments;
};

// `count` of the numbers [0, available) without repetition, ascending
// (selection by random keys); all of them when there are no more.
std::vector<uint64_t> DrawWindows(uint64_t available, uint64_t count,
                                  uint64_t seed);

// Non-overlapping windows from the start of the text on; the tail is dropped.
// Throws kUsage "SOURCE: text: found N tokens, expected at least WINDOW ...".
TextWindows CutWindows(std::span<const int32_t> text,
                       std::span<const int32_t> prefix,
                       const WindowOptions& options, std::string_view source);

}  // namespace ram
