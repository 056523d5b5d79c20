#include "ram/export/tensor_hashes.h"

#include <xxhash.h>

#include <algorithm>

namespace ram {

struct TensorHashes::State {
  XXH3_state_t* xxh3 = XXH3_createState();
  State() { XXH3_64bits_reset(xxh3); }
  State(const State&) = delete;
  State& operator=(const State&) = delete;
  ~State() { XXH3_freeState(xxh3); }
};

TensorHashes::TensorHashes(std::vector<ByteRange> ranges)
    : ranges_(std::move(ranges)),
      hashes_(ranges_.size()),
      state_(std::make_unique<State>()) {}

TensorHashes::~TensorHashes() = default;
TensorHashes::TensorHashes(TensorHashes&&) noexcept = default;

void TensorHashes::FinishEndedBefore(uint64_t offset) {
  while (current_ < ranges_.size() && ranges_[current_].end <= offset) {
    hashes_[current_] = XXH3_64bits_digest(state_->xxh3);
    XXH3_64bits_reset(state_->xxh3);
    ++current_;
  }
}

void TensorHashes::Update(uint64_t offset, std::span<const std::byte> bytes) {
  const uint64_t end = offset + bytes.size();
  while (current_ < ranges_.size() && ranges_[current_].begin < end) {
    const ByteRange& range = ranges_[current_];
    const uint64_t from = std::max(offset, range.begin);
    const uint64_t to = std::min(end, range.end);
    if (from < to) {
      XXH3_64bits_update(state_->xxh3, bytes.data() + (from - offset),
                         to - from);
    }
    if (range.end > end) return;
    FinishEndedBefore(range.end);
  }
  FinishEndedBefore(end);
}

}  // namespace ram
