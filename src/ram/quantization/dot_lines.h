// What the kernels that multiply packed weights with activations share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace ram {

// How many bytes behind the last row of packed weights the kernels may read
// (and ignore).
inline constexpr size_t kDotPadding = 64;

// Floats on their own cache lines.
class FloatLines {
 public:
  void Resize(size_t floats) { lines_.resize((floats + 15) / 16); }
  float* data() { return lines_.data()->floats; }
  const float* data() const { return lines_.data()->floats; }

 private:
  struct alignas(64) Line {
    float floats[16];
  };
  std::vector<Line> lines_;
};

}  // namespace ram
