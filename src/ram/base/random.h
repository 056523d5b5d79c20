// Random numbers as a pure function of (seed, name, index): independent of
// thread count, order and platform.
#pragma once

#include <cstdint>
#include <string_view>

namespace ram {

// Mixes 64 bits so that every input bit reaches every output bit (the
// finaliser of SplitMix64, Steele et al. 2014).
constexpr uint64_t MixBits(uint64_t x) {
  x += 0x9e3779b97f4a7c15u;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
  x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
  return x ^ (x >> 31);
}

// One stream of random numbers, addressed by index.
class CounterRandom {
 public:
  // `name` is the canonical name of what the numbers are for.
  CounterRandom(uint64_t seed, std::string_view name);

  uint64_t Bits(uint64_t index) const { return MixBits(key_ ^ MixBits(index)); }
  // Uniform in [0, 1), 53 bits.
  double Uniform(uint64_t index) const {
    return static_cast<double>(Bits(index) >> 11) * 0x1p-53;
  }
  // +1 or -1.
  float Sign(uint64_t index) const {
    return (Bits(index) >> 63) != 0 ? 1.0f : -1.0f;
  }
  // Standard normal (Box-Muller on two numbers of this stream).
  double Normal(uint64_t index) const;

 private:
  uint64_t key_;
};

}  // namespace ram
