// Threads that stay, for many short loops one after the other (a matrix times
// a vector takes 10 to 100 microseconds; starting a thread takes as long).
// For long loops see parallel.h.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace ram {

class WorkerPool {
 public:
  // `threads` in all, the caller of Run among them; at least one.
  explicit WorkerPool(int threads);
  ~WorkerPool();
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  int threads() const { return static_cast<int>(workers_.size()) + 1; }

  // Calls body(item) once for every item in [0, items) and returns when all
  // are done; they start in order. An exception of a body stops the loop and
  // is thrown again here. When the pool is already at work (another thread
  // runs a loop, or a body calls Run) the caller does all items by itself.
  void Run(uint64_t items, const std::function<void(uint64_t item)>& body);

 private:
  void WorkerLoop();
  void TakeItems();

  std::atomic<bool> in_use_{false};
  // Of the loop that runs; written before round_ changes.
  const std::function<void(uint64_t)>* body_ = nullptr;
  uint64_t items_ = 0;
  std::atomic<bool> stop_{false};

  alignas(64) std::atomic<uint32_t> round_{0};  // one more for every loop
  alignas(64) std::atomic<uint64_t> next_{0};
  alignas(64) std::atomic<uint32_t> at_work_{0};  // workers not done yet

  std::mutex failure_mutex_;
  std::exception_ptr failure_;
  std::vector<std::jthread> workers_;  // last: they use all of the above
};

}  // namespace ram
