// The name and version that goes into every file this program writes.
#pragma once

namespace ram {

inline constexpr char kToolVersion[] = "ram " RAM_VERSION;

}  // namespace ram
