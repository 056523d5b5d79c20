#include "ram/base/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

#include "ram/base/error.h"

namespace ram {
namespace {

std::atomic<bool> requested{false};
static_assert(std::atomic<bool>::is_always_lock_free);

extern "C" void OnSignal(int) {
  if (requested.exchange(true)) ::_exit(130);
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
void ClearInterrupt() { requested = false; }

void ThrowIfInterrupted() {
  if (requested) {
    Fail(ErrorKind::kInterrupted, "interrupted: nothing was left behind");
  }
}

}  // namespace ram
