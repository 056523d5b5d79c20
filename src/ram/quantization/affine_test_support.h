// Encoding into buffers and weights to encode, for the tests of the affine
// and the integer codec.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ram/base/random.h"
#include "ram/quantization/affine.h"
#include "ram/tensor/convert.h"

namespace ram {

struct Encoded {
  std::vector<std::byte> codes, scales, biases;
  double squared_error = 0;

  bool operator==(const Encoded&) const = default;
};

inline Encoded Encode(const Scheme& scheme, Encoder encoder, DType dtype,
                      const std::vector<float>& weights, uint64_t cols) {
  const uint64_t rows = weights.size() / cols;
  Encoded out;
  out.codes.resize(rows * AffineCodeBytes(scheme, cols));
  out.scales.resize(rows * AffineScaleBytes(scheme, cols));
  out.biases.resize(rows * AffineScaleBytes(scheme, cols));
  out.squared_error = EncodeAffine(scheme, encoder, dtype, weights, cols,
                                   {out.codes, out.scales, out.biases});
  return out;
}

inline std::vector<float> Decode(const Scheme& scheme, DType dtype,
                                 const Encoded& encoded, size_t weights,
                                 uint64_t cols) {
  std::vector<float> out(weights);
  DecodeAffine(scheme, dtype, {encoded.codes, encoded.scales, encoded.biases},
               cols, out);
  return out;
}

inline std::vector<float> Gaussian(size_t count) {
  const CounterRandom random(1, "affine_test");
  std::vector<float> weights(count);
  for (size_t i = 0; i < count; ++i) {
    weights[i] = static_cast<float>(random.Normal(i) * 0.02);
  }
  return weights;
}

// Cubes of normals: excess kurtosis near 40.
inline std::vector<float> HeavyTailed(size_t count) {
  std::vector<float> weights = Gaussian(count);
  for (float& w : weights) w = w * w * w * 2500;
  return weights;
}

inline std::vector<float> Rounded(DType dtype, std::vector<float> weights) {
  for (float& w : weights) w = RoundTo(dtype, w);
  return weights;
}

inline double SquaredError(const std::vector<float>& a,
                           const std::vector<float>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    const double difference = static_cast<double>(a[i]) - b[i];
    sum += difference * difference;
  }
  return sum;
}

// The stored bit stream read one bit at a time.
inline std::vector<int> ReadBits(int bits,
                                 const std::vector<std::byte>& stream) {
  std::vector<int> codes(stream.size() * 8 / static_cast<size_t>(bits));
  size_t bit = 0;
  for (int& code : codes) {
    for (int i = 0; i < bits; ++i, ++bit) {
      const int value = static_cast<int>(stream[bit / 8]) >> (bit % 8) & 1;
      code |= value << i;
    }
  }
  return codes;
}

inline std::vector<float> Floats16(DType dtype,
                                   const std::vector<std::byte>& bytes) {
  std::vector<float> out(bytes.size() / 2);
  ToFloat(dtype, bytes.data(), out);
  return out;
}

}  // namespace ram
