#include "ram/analysis/peak_count.h"

#include <algorithm>

namespace ram {
namespace {

// Two simple loops, which compilers vectorise.
template <typename Bits>
PeakCount Count(std::span<const std::byte> bytes, Bits magnitude) {
  const auto* values = reinterpret_cast<const Bits*>(bytes.data());
  const size_t n = bytes.size() / sizeof(Bits);
  Bits peak = 0;
  for (size_t i = 0; i < n; ++i) {
    const Bits value = values[i] & magnitude;
    peak = std::max(peak, value);
  }
  uint64_t count = 0;
  // In runs, so that the inner count fits the width of the values.
  for (size_t begin = 0; begin < n; begin += 4096) {
    const size_t end = std::min(n, begin + 4096);
    Bits equal = 0;
    for (size_t i = begin; i < end; ++i) {
      equal = static_cast<Bits>(equal + ((values[i] & magnitude) == peak));
    }
    count += equal;
  }
  return {peak, count};
}

}  // namespace

void PeakCount::Merge(const PeakCount& other) {
  if (other.bits > bits) {
    *this = other;
  } else if (other.bits == bits) {
    count += other.count;
  }
}

PeakCount CountPeaks(DType dtype, std::span<const std::byte> bytes) {
  if (dtype == DType::kF32) return Count<uint32_t>(bytes, 0x7fffffffu);
  return Count<uint16_t>(bytes, 0x7fffu);
}

}  // namespace ram
