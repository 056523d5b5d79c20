#include "ram/base/random.h"

#include <cmath>
#include <numbers>

namespace ram {

CounterRandom::CounterRandom(uint64_t seed, std::string_view name) {
  // FNV-1a over the name; MixBits then spreads it.
  uint64_t hash = 0xcbf29ce484222325u;
  for (const char c : name) {
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3u;
  }
  key_ = MixBits(MixBits(seed) ^ hash);
}

double CounterRandom::Normal(uint64_t index) const {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform(2 * index)));
  return radius * std::cos(2.0 * std::numbers::pi * Uniform(2 * index + 1));
}

}  // namespace ram
