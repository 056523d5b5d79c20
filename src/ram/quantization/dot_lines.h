// What the kernels that multiply packed weights with activations share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ram {

// How many bytes behind the last row of packed weights the kernels may read
// (and ignore).
inline constexpr size_t kDotPadding = 64;

// Numbers on cache lines of their own.
template <class T>
class CacheLines {
 public:
  void Resize(size_t count) { lines_.resize((count + kEach - 1) / kEach); }
  T* data() { return lines_.data()->values; }
  const T* data() const { return lines_.data()->values; }

 private:
  static constexpr size_t kEach = 64 / sizeof(T);
  struct alignas(64) Line {
    T values[kEach];
  };
  std::vector<Line> lines_;
};

}  // namespace ram
