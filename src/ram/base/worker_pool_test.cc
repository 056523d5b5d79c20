#include "ram/base/worker_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <set>
#include <stdexcept>
#include <thread>
#include <vector>

namespace ram {
namespace {

TEST(WorkerPoolThreadTest, DoesEveryItemOnce) {
  for (const int threads : {1, 2, 5}) {
    WorkerPool pool(threads);
    EXPECT_EQ(pool.threads(), threads);
    for (const uint64_t items : {0u, 1u, 2u, 7u, 1000u}) {
      std::vector<int> times(items);
      pool.Run(items, [&](uint64_t item) { ++times[item]; });
      EXPECT_EQ(times, std::vector<int>(items, 1)) << threads << " threads";
    }
  }
}

// What one loop writes, the next one reads on any thread.
TEST(WorkerPoolThreadTest, OrdersOneLoopAfterTheOther) {
  WorkerPool pool(3);
  std::vector<uint64_t> values(64, 0);
  for (int round = 0; round < 2000; ++round) {
    pool.Run(values.size(), [&](uint64_t item) { ++values[item]; });
    uint64_t sum = 0;
    for (const uint64_t value : values) sum += value;
    ASSERT_EQ(sum, values.size() * static_cast<uint64_t>(round + 1));
  }
}

// Two items that each wait for the other to begin.
TEST(WorkerPoolThreadTest, RunsItemsAtTheSameTime) {
  WorkerPool pool(2);
  std::atomic<int> begun{0};
  pool.Run(2, [&](uint64_t) {
    ++begun;
    while (begun < 2) std::this_thread::yield();
  });
  EXPECT_EQ(begun, 2);
}

TEST(WorkerPoolThreadTest, WakesWorkersThatSleep) {
  WorkerPool pool(2);
  for (int round = 0; round < 3; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> begun{0};
    pool.Run(2, [&](uint64_t) {
      ++begun;
      while (begun < 2) std::this_thread::yield();
    });
    EXPECT_EQ(begun, 2);
  }
}

TEST(WorkerPoolThreadTest, ThrowsWhatABodyThrowsAndGoesOn) {
  WorkerPool pool(2);
  EXPECT_THROW(pool.Run(100,
                        [](uint64_t item) {
                          if (item == 50) throw std::runtime_error("fifty");
                        }),
               std::runtime_error);
  std::atomic<int> done{0};
  pool.Run(100, [&](uint64_t) { ++done; });
  EXPECT_EQ(done, 100);
}

TEST(WorkerPoolThreadTest, DoesLoopsWithinLoops) {
  WorkerPool pool(2);
  std::atomic<int> done{0};
  pool.Run(4, [&](uint64_t) { pool.Run(5, [&](uint64_t) { ++done; }); });
  EXPECT_EQ(done, 20);
}

TEST(WorkerPoolThreadTest, ServesSeveralThreads) {
  WorkerPool pool(2);
  std::atomic<int> done{0};
  std::vector<std::jthread> callers;
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      for (int round = 0; round < 100; ++round) {
        pool.Run(10, [&](uint64_t) { ++done; });
      }
    });
  }
  callers.clear();
  EXPECT_EQ(done, 3000);
}

}  // namespace
}  // namespace ram
