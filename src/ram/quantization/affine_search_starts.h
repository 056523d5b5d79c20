// Where the search for a group's scale and bias starts, beside MLX's own
// pair.
#pragma once

namespace ram {

// The range [min, max] of the group shrunk by each factor of kShrink, then
// kRefits times refitted by least squares and rounded again. Few bits gain
// most from cutting off the tails.
template <int kBits>
struct SearchStarts {
  static constexpr float kShrink[] = {1.0f};
  static constexpr int kRefits = 1;
};
template <>
struct SearchStarts<2> {
  static constexpr float kShrink[] = {0.85f, 0.7f, 0.55f};
  static constexpr int kRefits = 2;
};
template <>
struct SearchStarts<3> {
  static constexpr float kShrink[] = {0.9f, 0.77f};
  static constexpr int kRefits = 2;
};
template <>
struct SearchStarts<4> {
  static constexpr float kShrink[] = {0.97f, 0.87f};
  static constexpr int kRefits = 1;
};

}  // namespace ram
