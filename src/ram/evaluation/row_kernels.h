// The loops of a forward pass that are no matrix products, over rows of
// floats. SIMD through Highway; sums in 16 fixed lanes.
#pragma once

#include <cstdint>

namespace ram {

// out = in / rms(in) * (weight + offset), rms with epsilon under the root;
// in place is fine. weight [n].
void RmsNorm(const float* in, const float* weight, uint64_t n, float epsilon,
             float offset, float* out);

// gate = silu(gate) * up, x / (1 + exp(-x)); gelu: its approximation by tanh.
void SiluTimes(const float* up, uint64_t n, float* gate);
void GeluTanhTimes(const float* up, uint64_t n, float* gate);

// x = cap * tanh(x / cap).
void SoftCap(uint64_t n, float cap, float* x);

// to += scale * from.
void AddScaled(const float* from, uint64_t n, float scale, float* to);

float MaxOf(const float* x, uint64_t n);  // n > 0

// x = exp(x - max); the sum of it.
float ExpInPlace(uint64_t n, float max, float* x);

// The sum of exp(x - max), and of exp(x - max) * (x - y).
struct ExpSums {
  float exp = 0;
  float exp_times_difference = 0;
};
ExpSums SumExp(const float* x, const float* y, uint64_t n, float max);
float SumExp(const float* x, uint64_t n, float max);

// No NaN, no infinity.
bool AllFinite(const float* x, uint64_t n);

}  // namespace ram
