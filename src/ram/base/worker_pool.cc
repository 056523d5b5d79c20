#include "ram/base/worker_pool.h"

#include <utility>

namespace ram {
namespace {

// About 50 microseconds: longer than what lies between two loops of one
// layer, shorter than what a reader would notice as a busy processor.
constexpr int kSpins = 4000;

void Pause() {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// Returns the value once it is not `old`: looks for a while, then sleeps.
uint32_t AwaitChange(const std::atomic<uint32_t>& value, uint32_t old) {
  for (int i = 0; i < kSpins; ++i) {
    const uint32_t now = value.load(std::memory_order_acquire);
    if (now != old) return now;
    Pause();
  }
  value.wait(old, std::memory_order_acquire);
  return value.load(std::memory_order_acquire);
}

}  // namespace

WorkerPool::WorkerPool(int threads) {
  for (int i = 1; i < threads; ++i) {
    workers_.emplace_back([this] { WorkerLoop(); });
  }
}

WorkerPool::~WorkerPool() {
  stop_ = true;
  round_.fetch_add(1);
  round_.notify_all();
}

void WorkerPool::TakeItems() {
  for (;;) {
    const uint64_t item = next_.fetch_add(1, std::memory_order_relaxed);
    if (item >= items_) return;
    try {
      (*body_)(item);
    } catch (...) {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::current_exception();
      next_ = items_;  // nobody starts another item
    }
  }
}

void WorkerPool::WorkerLoop() {
  uint32_t seen = 0;
  for (;;) {
    seen = AwaitChange(round_, seen);
    if (stop_) return;
    TakeItems();
    if (at_work_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      at_work_.notify_all();
    }
  }
}

void WorkerPool::Run(uint64_t items,
                     const std::function<void(uint64_t item)>& body) {
  if (workers_.empty() || items < 2 || in_use_.exchange(true)) {
    for (uint64_t item = 0; item < items; ++item) body(item);
    return;
  }
  body_ = &body;
  items_ = items;
  next_.store(0, std::memory_order_relaxed);
  at_work_.store(static_cast<uint32_t>(workers_.size()),
                 std::memory_order_relaxed);
  round_.fetch_add(1, std::memory_order_acq_rel);
  round_.notify_all();
  TakeItems();
  for (uint32_t left = at_work_.load(std::memory_order_acquire); left != 0;) {
    left = AwaitChange(at_work_, left);
  }
  const std::exception_ptr failure = std::exchange(failure_, nullptr);
  in_use_ = false;
  if (failure) std::rethrow_exception(failure);
}

}  // namespace ram
