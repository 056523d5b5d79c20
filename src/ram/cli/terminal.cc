#include "ram/cli/terminal.h"

#include <fmt/format.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <mutex>
#include <string_view>

#include "ram/base/byte_size.h"

namespace ram {
namespace {

using Clock = std::chrono::steady_clock;

class SilentProgress : public Progress {
 public:
  void Begin(std::string_view, uint64_t) override {}
  void Advance(uint64_t) override {}
  void End() override {}
};

class ProgressBar : public Progress {
 public:
  void Begin(std::string_view phase, uint64_t total_bytes) override {
    const std::lock_guard lock(mutex_);
    phase_ = phase;
    total_ = total_bytes;
    done_ = 0;
    start_ = Clock::now();
    Draw();
  }

  void Advance(uint64_t bytes) override {
    done_ += bytes;
    const std::unique_lock lock(mutex_, std::try_to_lock);
    if (lock && Clock::now() - drawn_ > std::chrono::milliseconds(100)) Draw();
  }

  void End() override {
    const std::lock_guard lock(mutex_);
    Clear();
  }

  ~ProgressBar() override { Clear(); }

 private:
  static void Clear() {
    fmt::print(stderr, "\r\x1b[K");
    std::fflush(stderr);
  }

  void Draw() {
    drawn_ = Clock::now();
    const double seconds =
        std::chrono::duration<double>(drawn_ - start_).count();
    const double done = static_cast<double>(done_);
    const double share =
        total_ == 0 ? 0 : std::min(1.0, done / static_cast<double>(total_));
    constexpr int kWidth = 30;
    const int filled = static_cast<int>(share * kWidth);
    std::string line =
        fmt::format("\r\x1b[K{:<9} [{:=<{}}{:<{}}] {:3.0f} %", phase_, "",
                    filled, "", kWidth - filled, 100 * share);
    if (seconds > 0.3 && share > 0) {
      line += fmt::format("  {:.2f} GB/s  {} left", done / seconds * 1e-9,
                          FormatDuration(seconds * (1 - share) / share));
    }
    fmt::print(stderr, "{}", line);
    std::fflush(stderr);
  }

  std::mutex mutex_;
  std::string phase_;
  uint64_t total_ = 0;
  std::atomic<uint64_t> done_{0};
  Clock::time_point start_;
  Clock::time_point drawn_;
};

}  // namespace

std::unique_ptr<Progress> MakeProgress(const GlobalOptions& global) {
  if (global.quiet || global.json || ::isatty(STDERR_FILENO) == 0) {
    return std::make_unique<SilentProgress>();
  }
  return std::make_unique<ProgressBar>();
}

std::string FormatDuration(double seconds) {
  const auto whole = std::llround(seconds);
  if (whole >= 3600) {
    return fmt::format("{}:{:02}:{:02}", whole / 3600, whole / 60 % 60,
                       whole % 60);
  }
  return fmt::format("{}:{:02}", whole / 60, whole % 60);
}

uint64_t PeakMemoryBytes() {
#ifdef __linux__
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) * 1024;
  }
#endif
  struct rusage usage = {};
  if (::getrusage(RUSAGE_SELF, &usage) != 0) return 0;
#ifdef __APPLE__
  return static_cast<uint64_t>(usage.ru_maxrss);
#else
  return static_cast<uint64_t>(usage.ru_maxrss) * 1024;
#endif
}

}  // namespace ram
