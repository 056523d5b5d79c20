// Memory by name: "rtx-4090", "macbook-16gb".
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace ram {

struct Machine {
  std::string_view name;
  uint64_t usable_bytes = 0;  // what a model can have
  std::string_view why;       // in words
  std::string_view source;    // where the figure was read
};

std::span<const Machine> AllMachines();

// What `text` offers a model: a size ("32GiB": all of it) or a machine's name.
struct MemoryBudget {
  uint64_t bytes = 0;
  std::string label;                 // "32.0 GiB", "rtx-4090"
  const Machine* machine = nullptr;  // null for a size
};
// Throws kUsage, listing the names.
MemoryBudget ParseMemory(std::string_view text);

}  // namespace ram
