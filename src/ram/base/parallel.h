// Loops over independent items on a fixed number of threads. Results must not
// depend on which thread does what: merge them by item, in item order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

namespace ram {

// The number of threads for `requested`; 0 means one per available processor.
int ResolveThreads(int requested);

// Calls body(item, worker) once for every item in [0, items), each worker
// number in [0, threads) being used by one thread at a time. Items start in
// order. The first exception (lowest item among those that failed) stops the
// loop and is thrown again here. A pending interrupt (see interrupt.h) stops
// it with kInterrupted.
void ParallelFor(uint64_t items, int threads,
                 const std::function<void(uint64_t item, int worker)>& body);

}  // namespace ram
