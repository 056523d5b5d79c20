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
  uint64_t cuda_bytes = 0;    // what CUDA reports; 0: it has none
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

// What vLLM takes of it by default, gpu_memory_utilization: 92 % of the card,
// or of a size. Throws kUsage for a machine without CUDA.
uint64_t VllmBytes(const MemoryBudget& budget);

}  // namespace ram
