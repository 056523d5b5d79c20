#include "ram/analysis/repeat_counts.h"

#include <algorithm>
#include <array>

namespace ram {
namespace {

constexpr size_t kGroup = 32;
constexpr size_t kGroupsSampled = 64;  // of a slice

// Two simple loops, which compilers vectorise.
template <typename Bits>
void CountPeak(std::span<const Bits> values, Bits magnitude,
               RepeatCounts& counts) {
  Bits peak = 0;
  for (const Bits value : values) {
    const Bits bits = value & magnitude;
    peak = std::max(peak, bits);
  }
  counts.peak = peak;
  // In runs, so that the inner count fits the width of the values.
  for (size_t begin = 0; begin < values.size(); begin += 4096) {
    const size_t end = std::min(values.size(), begin + 4096);
    Bits equal = 0;
    for (size_t i = begin; i < end; ++i) {
      equal = static_cast<Bits>(equal + ((values[i] & magnitude) == peak));
    }
    counts.at_peak += equal;
  }
}

template <typename Bits>
void CountDistinct(std::span<const Bits> values, Bits magnitude,
                   RepeatCounts& counts) {
  const size_t groups = values.size() / kGroup;
  const size_t step = std::max<size_t>(1, groups / kGroupsSampled);
  std::array<Bits, kGroup> group;
  for (size_t g = 0; g < groups; g += step) {
    const auto from = values.subspan(g * kGroup, kGroup);
    const auto end =
        std::copy_if(from.begin(), from.end(), group.begin(),
                     [&](Bits value) { return (value & magnitude) != 0; });
    std::sort(group.begin(), end);
    counts.sampled += static_cast<uint64_t>(end - group.begin());
    counts.distinct +=
        static_cast<uint64_t>(std::unique(group.begin(), end) - group.begin());
  }
}

template <typename Bits>
RepeatCounts Count(std::span<const std::byte> bytes, Bits magnitude) {
  const std::span values(reinterpret_cast<const Bits*>(bytes.data()),
                         bytes.size() / sizeof(Bits));
  RepeatCounts counts;
  CountPeak(values, magnitude, counts);
  CountDistinct(values, magnitude, counts);
  return counts;
}

}  // namespace

void RepeatCounts::Merge(const RepeatCounts& other) {
  if (other.peak > peak) {
    peak = other.peak;
    at_peak = other.at_peak;
  } else if (other.peak == peak) {
    at_peak += other.at_peak;
  }
  sampled += other.sampled;
  distinct += other.distinct;
}

RepeatCounts CountRepeats(DType dtype, std::span<const std::byte> bytes) {
  if (dtype == DType::kF32) return Count<uint32_t>(bytes, 0x7fffffffu);
  return Count<uint16_t>(bytes, 0x7fffu);
}

}  // namespace ram
