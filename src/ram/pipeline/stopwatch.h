// Wall-clock time between two points of a job.
#pragma once

#include <chrono>

namespace ram {

class Stopwatch {
 public:
  // Seconds since construction or the last Lap.
  double Lap() {
    const auto now = std::chrono::steady_clock::now();
    const double seconds = std::chrono::duration<double>(now - start_).count();
    start_ = now;
    return seconds;
  }

 private:
  std::chrono::steady_clock::time_point start_ =
      std::chrono::steady_clock::now();
};

}  // namespace ram
