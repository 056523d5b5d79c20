// Options that every command understands.
#pragma once

#include <cstdint>
#include <memory>

#include "ram/base/progress.h"

namespace ram {

struct GlobalOptions {
  bool json = false;
  bool quiet = false;
  bool allow_nonfinite = false;
  int threads = 0;  // 0: one per processor
  uint64_t seed = 42;
};

}  // namespace ram
