#include "ram/base/interrupt.h"

#include <time.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <cstdint>

#include "ram/base/error.h"

namespace ram {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

// `timeout` and build tools send one interrupt to a process and to its group,
// so two that arrive together are one.
constexpr int64_t kTogetherNs = 500'000'000;
std::atomic<int64_t> first_signal_ns{0};  // 0: none yet
static_assert(std::atomic<int64_t>::is_always_lock_free);

// clock_gettime may be called in a signal handler (signal-safety(7)).
extern "C" void OnSignal(int) {
  timespec now = {};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  const int64_t now_ns = int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
  int64_t first_ns = 0;
  if (first_signal_ns.compare_exchange_strong(first_ns, now_ns)) {
    requested = true;
  } else if (now_ns - first_ns > kTogetherNs) {
    ::_exit(130);
  }
}

}  // namespace

void InstallInterruptHandler() {
  struct sigaction action = {};
  action.sa_handler = OnSignal;
  ::sigaction(SIGINT, &action, nullptr);
  ::sigaction(SIGTERM, &action, nullptr);
  // A file that may not grow is an error with a message, not a dead process.
  std::signal(SIGXFSZ, SIG_IGN);
}

void RequestInterrupt() { requested = true; }
bool InterruptRequested() { return requested; }
void ClearInterrupt() {
  requested = false;
  first_signal_ns = 0;
}

void ThrowIfInterrupted() {
  if (requested) {
    Fail(ErrorKind::kInterrupted, "interrupted: nothing was left behind");
  }
}

}  // namespace ram
