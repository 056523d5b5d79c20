// Python's random.Random(seed).sample, to draw the very few-shot examples that
// lm-evaluation-harness draws. Mersenne Twister (Matsumoto, Nishimura 1998),
// seeded and drawn from as CPython 3's Lib/random.py and _randommodule.c do.
#pragma once

#include <cstddef>
#include <cstdint>
#include <random>
#include <vector>

namespace ram {

class PythonRandom {
 public:
  explicit PythonRandom(uint32_t seed);
  // The positions that random.sample(population, count) picks from a
  // population of that size; count <= population.
  std::vector<size_t> Sample(size_t population, size_t count);

 private:
  // Uniform in [0, limit), limit <= 2^32.
  size_t Below(size_t limit);

  std::mt19937 generator_;
};

}  // namespace ram
