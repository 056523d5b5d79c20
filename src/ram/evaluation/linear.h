// A weight matrix ready to be multiplied with: y = x W^T.
#pragma once

#include <cstdint>

namespace ram {

class Linear {
 public:
  virtual ~Linear() = default;
  uint64_t in() const { return in_; }
  uint64_t out() const { return out_; }

  // x [rows, in], y [rows, out], row-major; y is overwritten. May be called by
  // several threads at once.
  virtual void Apply(const float* x, uint64_t rows, float* y) const = 0;

 protected:
  Linear(uint64_t in, uint64_t out) : in_(in), out_(out) {}

 private:
  uint64_t in_;
  uint64_t out_;
};

}  // namespace ram
