#include "ram/base/interrupt.h"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <thread>

#include "ram/base/error.h"

namespace ram {
namespace {

std::atomic<bool> interrupt_requested{false};

// `timeout` and build tools send one interrupt to a process and to its group,
// so two that arrive together are one.
constexpr int64_t kTogetherNs = 500'000'000;
std::atomic<int64_t> first_signal_ns{0};  // 0: none yet

void OnSignal() {
  const int64_t now_ns = std::chrono::steady_clock::now().time_since_epoch() /
                         std::chrono::nanoseconds(1);
  int64_t first_ns = 0;
  if (first_signal_ns.compare_exchange_strong(first_ns, now_ns)) {
    interrupt_requested = true;
  } else if (now_ns - first_ns > kTogetherNs) {
    ::_exit(130);
  }
}

}  // namespace

void InstallInterruptHandler() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGINT);
  ::sigaddset(&signals, SIGTERM);
  // Threads inherit what is blocked.
  ::pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  // An ignored signal (a background job's) would not be waited for.
  std::signal(SIGINT, SIG_DFL);
  std::signal(SIGTERM, SIG_DFL);
  std::thread([signals] {
    for (int signal = 0; ::sigwait(&signals, &signal) == 0;) OnSignal();
  }).detach();
  // A file that may not grow is an error with a message, not a dead process.
  std::signal(SIGXFSZ, SIG_IGN);
}

void RequestInterrupt() { interrupt_requested = true; }
bool InterruptRequested() { return interrupt_requested; }
void ClearInterrupt() {
  interrupt_requested = false;
  first_signal_ns = 0;
}

void ThrowIfInterrupted() {
  if (interrupt_requested) {
    Fail(ErrorKind::kInterrupted, "interrupted: nothing was left behind");
  }
}

}  // namespace ram
