#include "ram/evaluation/python_random.h"

#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <sstream>
#include <unordered_set>

namespace ram {
namespace {

constexpr size_t kWords = 624;

// init_by_array of the reference implementation with the one key `seed`, as
// text that std::mt19937 reads its state from.
std::string SeededState(uint32_t seed) {
  std::array<uint32_t, kWords> state;
  state[0] = 19650218u;
  for (uint32_t i = 1; i < kWords; ++i) {
    state[i] = 1812433253u * (state[i - 1] ^ (state[i - 1] >> 30)) + i;
  }
  uint32_t i = 1;
  for (size_t k = 0; k < kWords; ++k) {
    state[i] =
        (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1664525u)) + seed;
    if (++i == kWords) {
      state[0] = state[kWords - 1];
      i = 1;
    }
  }
  for (size_t k = 0; k < kWords - 1; ++k) {
    state[i] =
        (state[i] ^ ((state[i - 1] ^ (state[i - 1] >> 30)) * 1566083941u)) - i;
    if (++i == kWords) {
      state[0] = state[kWords - 1];
      i = 1;
    }
  }
  state[0] = 0x80000000u;
  std::ostringstream text;
  for (const uint32_t word : state) text << word << ' ';
  text << kWords;  // all words used: the next draw makes new ones
  return text.str();
}

}  // namespace

PythonRandom::PythonRandom(uint32_t seed) {
  std::istringstream(SeededState(seed)) >> generator_;
}

size_t PythonRandom::Below(size_t limit) {
  const auto bits = static_cast<int>(std::bit_width(limit));
  size_t drawn = limit;
  while (drawn >= limit)
    drawn = static_cast<size_t>(generator_()) >> (32 - bits);
  return drawn;
}

std::vector<size_t> PythonRandom::Sample(size_t population, size_t count) {
  std::vector<size_t> picked;
  size_t set_size = 21;  // of a small set, in CPython's estimate
  if (count > 5) {
    set_size += static_cast<size_t>(std::llround(
        std::pow(4.0, std::ceil(std::log(3.0 * static_cast<double>(count)) /
                                std::log(4.0)))));
  }
  if (population <= set_size) {
    std::vector<size_t> pool(population);
    std::iota(pool.begin(), pool.end(), size_t{0});
    for (size_t i = 0; i < count; ++i) {
      const size_t at = Below(population - i);
      picked.push_back(pool[at]);
      pool[at] = pool[population - i - 1];
    }
    return picked;
  }
  std::unordered_set<size_t> seen;
  while (picked.size() < count) {
    const size_t at = Below(population);
    if (seen.insert(at).second) picked.push_back(at);
  }
  return picked;
}

}  // namespace ram
