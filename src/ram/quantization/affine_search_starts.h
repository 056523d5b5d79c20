// Where the search for a group's scale and bias starts, beside MLX's own
// pair.
#pragma once

#include <cstddef>

namespace ram {

struct SearchStart {
  float low;   // factor on the group's minimum, where code 0 goes
  float high;  // factor on its maximum, where the largest code goes
};

inline constexpr size_t kSearchStarts = 5;

// MLX's pair and the starts are tried; the best of them is refitted by least
// squares `refits` times. Few bits gain from cutting off the tails, many from
// the number of tries; unequal ends pay at every width. The factors were
// chosen greedily on Gaussian, heavy-tailed and trained weights at all group
// sizes.
struct SearchPlan {
  int bits;
  int refits;
  SearchStart starts[kSearchStarts];
};

inline constexpr SearchPlan kSearchPlans[] = {
    {2,
     2,
     {{.75f, .75f}, {.6f, .825f}, {.825f, .6f}, {.6f, .6f}, {.825f, .9f}}},
    {3,
     2,
     {{.91f, .91f}, {.86f, 1.01f}, {1.01f, .86f}, {.81f, .91f}, {1.01f, .96f}}},
    {4,
     2,
     {{.95f, .95f},
      {.915f, 1.015f},
      {1.015f, .95f},
      {.95f, .98f},
      {.98f, .88f}}},
    {5,
     1,
     {{.995f, .995f},
      {1.017f, .972f},
      {.972f, 1.017f},
      {.995f, .972f},
      {.972f, .995f}}},
    {6,
     1,
     {{.993f, .993f},
      {.993f, 1.03f},
      {.993f, 1.005f},
      {1.005f, .993f},
      {1.03f, 1.03f}}},
    {8,
     1,
     {{1.003f, 1.01f},
      {1.01f, 1.003f},
      {.999f, 1.003f},
      {1.01f, 1.01f},
      {1.006f, .999f}}},
};

inline constexpr const SearchPlan& SearchPlanFor(int bits) {
  for (const SearchPlan& plan : kSearchPlans) {
    if (plan.bits == bits) return plan;
  }
  return kSearchPlans[0];
}

// Whether errors count (1 + |w| / rms of the group) times. Against the plain
// squared error that lowers the KL divergence of trained models by a seventh
// at 2 bits and a fifteenth at 3, and raises it by a thirtieth at 4.
constexpr bool WeighsErrors(int bits) { return bits <= 3; }

}  // namespace ram
