// Where the search for a group's scale and bias starts, beside MLX's own
// pair.
#pragma once

#include <cstddef>

namespace ram {

struct SearchStart {
  float low;   // factor on the group's minimum, where code 0 goes
  float high;  // factor on its maximum, where the largest code goes
};

// Three or six pairs to try, MLX's counted. The best of them is refitted by
// least squares kRefits times. Few bits gain from cutting off the tails, many
// from the number of tries; unequal ends pay at every width. The factors were
// chosen greedily on Gaussian, heavy-tailed and trained weights at all group
// sizes.
//
// kWeighed: errors count (1 + |w| / rms of the group) times. Against the plain
// squared error that lowers the KL divergence of a trained model by a seventh
// at 2 bits and a twentieth at 3, and raises it by a fortieth at 4.
template <int kBits>
struct SearchStarts;

template <>
struct SearchStarts<2> {
  static constexpr SearchStart kStarts[] = {{0.75f, 0.75f},
                                            {0.6f, 0.825f},
                                            {0.825f, 0.6f},
                                            {0.6f, 0.6f},
                                            {0.825f, 0.9f}};
  static constexpr bool kWeighed = true;
  static constexpr int kRefits = 2;
};
template <>
struct SearchStarts<3> {
  static constexpr SearchStart kStarts[] = {{0.91f, 0.91f},
                                            {0.86f, 1.01f},
                                            {1.01f, 0.86f},
                                            {0.81f, 0.91f},
                                            {1.01f, 0.96f}};
  static constexpr bool kWeighed = true;
  static constexpr int kRefits = 2;
};
template <>
struct SearchStarts<4> {
  static constexpr SearchStart kStarts[] = {{0.95f, 0.95f},
                                            {0.915f, 1.015f},
                                            {1.015f, 0.95f},
                                            {0.95f, 0.98f},
                                            {0.98f, 0.88f}};
  static constexpr bool kWeighed = false;
  static constexpr int kRefits = 2;
};
template <>
struct SearchStarts<5> {
  static constexpr SearchStart kStarts[] = {{0.995f, 0.995f},
                                            {1.017f, 0.972f},
                                            {0.972f, 1.017f},
                                            {0.995f, 0.972f},
                                            {0.972f, 0.995f}};
  static constexpr bool kWeighed = false;
  static constexpr int kRefits = 1;
};
template <>
struct SearchStarts<6> {
  static constexpr SearchStart kStarts[] = {{0.993f, 0.993f},
                                            {0.993f, 1.03f},
                                            {0.993f, 1.005f},
                                            {1.005f, 0.993f},
                                            {1.03f, 1.03f}};
  static constexpr bool kWeighed = false;
  static constexpr int kRefits = 1;
};
template <>
struct SearchStarts<8> {
  static constexpr SearchStart kStarts[] = {{1.003f, 1.01f},
                                            {1.01f, 1.003f},
                                            {0.999f, 1.003f},
                                            {1.01f, 1.01f},
                                            {1.006f, 0.999f}};
  static constexpr bool kWeighed = false;
  static constexpr int kRefits = 1;
};

}  // namespace ram
