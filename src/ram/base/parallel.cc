#include "ram/base/parallel.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <limits>
#include <mutex>
#include <thread>
#include <vector>

#ifdef __linux__
#include <sched.h>
#endif

#include "ram/base/interrupt.h"

namespace ram {

int ResolveThreads(int requested) {
  if (requested > 0) return requested;
#ifdef __linux__
  cpu_set_t available;
  if (::sched_getaffinity(0, sizeof available, &available) == 0) {
    return std::max(1, CPU_COUNT(&available));
  }
#endif
  return static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
}

void ParallelFor(uint64_t items, int threads,
                 const std::function<void(uint64_t item, int worker)>& body) {
  std::atomic<uint64_t> next{0};
  std::mutex mutex;
  uint64_t failed_item = std::numeric_limits<uint64_t>::max();
  std::exception_ptr failure;

  const auto work = [&](int worker) {
    for (;;) {
      const uint64_t item = next.fetch_add(1);
      if (item >= items) return;
      try {
        ThrowIfInterrupted();
        body(item, worker);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (item < failed_item) {
          failed_item = item;
          failure = std::current_exception();
        }
        next = items;  // nobody starts another item
        return;
      }
    }
  };

  const int workers = static_cast<int>(
      std::min<uint64_t>(static_cast<uint64_t>(std::max(threads, 1)), items));
  {
    std::vector<std::jthread> others;
    for (int worker = 1; worker < workers; ++worker) {
      others.emplace_back(work, worker);
    }
    if (workers > 0) work(0);
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace ram
