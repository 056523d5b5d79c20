// SHA-256 of files, taken in bursts between other work on the same bytes, so
// that a cold file is read from the disk about once.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <vector>

#include "ram/base/digest.h"
#include "ram/base/file.h"

namespace ram {

class FileDigests {
 public:
  // The files must outlive this. At most half of `threads` hash at a time.
  FileDigests(const std::vector<const File*>& files, int threads);

  // Hashes a burst of the first unfinished file that nobody else is at. Does
  // nothing once `ahead_of_bytes`, counted over all files, are hashed, or while
  // enough others hash. From any thread.
  void Step(uint64_t ahead_of_bytes);
  // Hashes the rest; no Step may be running.
  void Finish();
  // Lower-case hexadecimal, in the order of the files; after Finish, once.
  std::vector<std::string> Take();

 private:
  struct Chain {
    const File* file = nullptr;
    Sha256 hash;
    uint64_t done_bytes = 0;
    bool busy = false;
  };
  Chain* Claim(uint64_t ahead_of_bytes);
  void Release(Chain& chain, uint64_t hashed_bytes);
  static uint64_t Hash(Chain& chain, uint64_t most_bytes);

  std::vector<std::unique_ptr<Chain>> chains_;
  int threads_;
  std::mutex mutex_;
  int busy_ = 0;
  uint64_t done_bytes_ = 0;
};

}  // namespace ram
