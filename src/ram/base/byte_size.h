// Sizes as people write and read them. GB is 10^9 bytes, GiB 2^30.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace ram {

// "16.2GiB", "500MB", "123456B", "123456". Fractions round down to a byte.
// Throws kUsage, naming the text and the forms that are understood.
uint64_t ParseByteSize(std::string_view text);

// "4.29 GiB", "13.6 MB"-like, three significant digits, binary units.
std::string FormatByteSize(uint64_t bytes);

// "8,190,735,360".
std::string FormatCount(uint64_t count);

}  // namespace ram
