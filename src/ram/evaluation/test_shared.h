// For tests: data that is not in the repository.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace ram {

// In $RAM_SHARED, or in `shared` beside the repository.
inline std::filesystem::path SharedFile(std::string_view name) {
  const char* shared = std::getenv("RAM_SHARED");
  return (shared != nullptr
              ? std::filesystem::path(shared)
              : std::filesystem::path(RAM_SOURCE_DIR) / ".." / "shared") /
         name;
}

}  // namespace ram
