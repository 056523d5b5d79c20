// Wall-clock time between two points of a job.
#pragma once

#include <chrono>

namespace ram {

class Stopwatch {
 public:
  // Seconds since construction or the last Lap.
  double Seconds() const {
    return std::chrono::duration<double>(Clock::now() - start_).count();
  }
  double Lap() {
    const double seconds = Seconds();
    start_ = Clock::now();
    return seconds;
  }

 private:
  using Clock = std::chrono::steady_clock;
  Clock::time_point start_ = Clock::now();
};

}  // namespace ram
