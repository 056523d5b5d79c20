// SHA-256 of whole files while other work goes on: each file is a chain of
// chunks that must be hashed in order; threads advance a chain between their
// own items, so that hashing neither stands alone nor waits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ram/base/digest.h"

namespace ram {

class DigestChains {
 public:
  struct Source {
    uint64_t bytes = 0;
    // Fills `out` from byte `offset` on.
    std::function<void(uint64_t offset, std::span<std::byte> out)> read;
    // Bytes before this are final and may be hashed now; grows up to `bytes`.
    // Called by one thread at a time. Empty: all of them from the start.
    std::function<uint64_t()> limit;
    // Sees every chunk, in order; called by one thread at a time. May be empty.
    std::function<void(uint64_t offset, std::span<const std::byte> chunk)> see;
  };

  // Before any Pump. Chains are numbered in order.
  void Add(Source source);

  // Advances chains that have something to hash and that no other thread
  // holds. Safe from several threads.
  void Pump();
  // Hashes all that is left, whatever the limits say; throws kInterrupted when
  // asked to stop. No Pump may run meanwhile.
  void Finish(int threads);
  // After Finish: 64 hexadecimal digits.
  const std::string& HexDigest(size_t chain) const;

 private:
  struct Chain {
    Source source;
    std::mutex mutex;
    Sha256 sha256;
    uint64_t done_bytes = 0;
    std::string hex;
  };
  static void Advance(Chain& chain, uint64_t limit);

  std::vector<std::unique_ptr<Chain>> chains_;
};

}  // namespace ram
