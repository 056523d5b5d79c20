// XXH3 (64 bits) of every tensor of a file, from one pass over its bytes. It
// tells which tensor changed where a digest can only tell which file.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

namespace ram {

struct ByteRange {
  uint64_t begin = 0;
  uint64_t end = 0;
};

class TensorHashes {
 public:
  // Ascending, not overlapping.
  explicit TensorHashes(std::vector<ByteRange> ranges);
  ~TensorHashes();
  TensorHashes(TensorHashes&&) noexcept;

  // The next bytes of the file, which begin at `offset`.
  void Update(uint64_t offset, std::span<const std::byte> bytes);
  // Parallel to the ranges; those not yet seen whole are 0.
  const std::vector<uint64_t>& hashes() const { return hashes_; }

 private:
  struct State;
  void FinishEndedBefore(uint64_t offset);

  std::vector<ByteRange> ranges_;
  std::vector<uint64_t> hashes_;
  size_t current_ = 0;
  std::unique_ptr<State> state_;
};

}  // namespace ram
