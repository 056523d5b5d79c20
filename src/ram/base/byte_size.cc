#include "ram/base/byte_size.h"

#include <array>
#include <charconv>
#include <cmath>
#include <utility>

#include "ram/base/error.h"

namespace ram {
namespace {

constexpr std::array<std::pair<std::string_view, double>, 10> kUnits = {{
    {"", 1},
    {"B", 1},
    {"kB", 1e3},
    {"MB", 1e6},
    {"GB", 1e9},
    {"TB", 1e12},
    {"KiB", 0x1p10},
    {"MiB", 0x1p20},
    {"GiB", 0x1p30},
    {"TiB", 0x1p40},
}};

}  // namespace

uint64_t ParseByteSize(std::string_view text) {
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] =
      std::from_chars(text.data(), end, number, std::chars_format::fixed);
  const std::string_view unit(rest, static_cast<std::size_t>(end - rest));
  if (error == std::errc() && number >= 0) {
    for (const auto& [name, factor] : kUnits) {
      const double bytes = std::floor(number * factor);
      if (unit == name && bytes < 0x1p63) return static_cast<uint64_t>(bytes);
    }
  }
  Fail(ErrorKind::kUsage,
       "size: found '{}', expected a number with B, kB, MB, GB, TB, KiB, MiB, "
       "GiB or TiB (for example 16.2GiB)",
       text);
}

std::string FormatByteSize(uint64_t bytes) {
  if (bytes < 1024) return fmt::format("{} B", bytes);
  constexpr std::array<std::string_view, 5> kNames = {"KiB", "MiB", "GiB",
                                                      "TiB", "PiB"};
  double value = static_cast<double>(bytes) / 1024;
  std::size_t unit = 0;
  while (value >= 1000 && unit + 1 < kNames.size()) {
    value /= 1024;
    ++unit;
  }
  const int decimals = value < 10 ? 2 : value < 100 ? 1 : 0;
  return fmt::format("{:.{}f} {}", value, decimals, kNames[unit]);
}

std::string FormatCount(uint64_t count) {
  std::string digits = std::to_string(count);
  for (std::size_t at = digits.size(); at > 3;) {
    at -= 3;
    digits.insert(at, 1, ',');
  }
  return digits;
}

}  // namespace ram
