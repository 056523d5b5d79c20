// How far a job is. Only the command line draws it.
#pragma once

#include <cstdint>
#include <string_view>

namespace ram {

// Implementations must allow Advance from several threads.
class Progress {
 public:
  virtual ~Progress() = default;
  // A new phase of `total_bytes` of work, e.g. "analyze".
  virtual void Begin(std::string_view phase, uint64_t total_bytes) = 0;
  virtual void Advance(uint64_t bytes) = 0;
  virtual void End() = 0;
};

// Draws nothing.
Progress& NoProgress();

}  // namespace ram
