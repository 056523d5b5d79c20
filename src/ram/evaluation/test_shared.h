// For tests: data that is not in the repository.
#pragma once

#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace ram {

// In $RAM_SHARED, or in `shared` beside the repository (its RAM_SOURCE_DIR).
inline std::filesystem::path SharedFile(std::string_view source_dir,
                                        std::string_view name) {
  const char* shared = std::getenv("RAM_SHARED");
  return (shared != nullptr ? std::filesystem::path(shared)
                            : std::filesystem::path(source_dir) / "../shared") /
         name;
}

}  // namespace ram
