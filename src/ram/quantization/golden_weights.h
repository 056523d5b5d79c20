// Reading tests/data/affine and tests/data/packed_int; the scripts in
// tests/peers that wrote the files document their layout.
#pragma once

#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "ram/tensor/convert.h"
#include "ram/tensor/dtype.h"

namespace ram {

inline constexpr size_t kGoldenRows = 16;
inline constexpr uint64_t kGoldenCols = 256;

struct Golden {
  DType weight_dtype;
  DType scale_dtype;
  const char* file;
};

inline constexpr Golden kGoldenFiles[] = {
    {DType::kBF16, DType::kBF16, "bf16.bin"},
    {DType::kF16, DType::kF16, "f16.bin"},
    {DType::kF32, DType::kBF16, "f32.bin"}};

class GoldenReader {
 public:
  explicit GoldenReader(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    bytes_.assign(std::istreambuf_iterator<char>(in), {});
    EXPECT_FALSE(bytes_.empty()) << path;
  }

  // The next `count` bytes; as many zeros at the end of the file.
  std::vector<std::byte> Take(size_t count) {
    std::vector<std::byte> taken(count);
    if (at_ + count > bytes_.size()) {
      ADD_FAILURE() << "the file ends at byte " << bytes_.size();
      return taken;
    }
    const auto* begin = reinterpret_cast<const std::byte*>(bytes_.data()) + at_;
    std::copy(begin, begin + count, taken.begin());
    at_ += count;
    return taken;
  }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  std::vector<char> bytes_;
  size_t at_ = 0;
};

// The weights that a file of tests/data/affine begins with.
inline std::vector<float> TakeGoldenWeights(DType dtype, GoldenReader& reader) {
  std::vector<float> weights(kGoldenRows * kGoldenCols);
  const auto bytes = reader.Take(weights.size() * DTypeBytes(dtype));
  ToFloat(dtype, bytes.data(), weights);
  return weights;
}

}  // namespace ram
