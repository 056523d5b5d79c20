#include "ram/analysis/file_digests.h"

#include <algorithm>

#include "ram/base/interrupt.h"
#include "ram/base/parallel.h"

namespace ram {
namespace {

// Long enough that the chain of a file is rarely left alone.
constexpr uint64_t kBurstBytes = uint64_t{8} << 20;
// Small enough to be hashed out of the second-level cache.
constexpr uint64_t kBlockBytes = uint64_t{256} << 10;

std::span<std::byte> Block() {
  thread_local const std::unique_ptr<std::byte[]> block(
      new std::byte[kBlockBytes]);
  return {block.get(), kBlockBytes};
}

}  // namespace

FileDigests::FileDigests(const std::vector<const File*>& files, int threads)
    : threads_(threads) {
  for (const File* file : files) {
    chains_.push_back(std::make_unique<Chain>());
    chains_.back()->file = file;
  }
}

FileDigests::Chain* FileDigests::Claim(uint64_t ahead_of_bytes) {
  const std::lock_guard lock(mutex_);
  if (done_bytes_ >= ahead_of_bytes) return nullptr;
  if (busy_ >= std::max(1, threads_ / 2)) return nullptr;
  for (const auto& chain : chains_) {
    if (chain->busy || chain->done_bytes == chain->file->size_bytes()) continue;
    chain->busy = true;
    ++busy_;
    return chain.get();
  }
  return nullptr;
}

void FileDigests::Release(Chain& chain, uint64_t hashed_bytes) {
  const std::lock_guard lock(mutex_);
  chain.busy = false;
  --busy_;
  done_bytes_ += hashed_bytes;
}

uint64_t FileDigests::Hash(Chain& chain, uint64_t most_bytes) {
  const uint64_t begin = chain.done_bytes;
  const uint64_t end =
      begin + std::min(most_bytes, chain.file->size_bytes() - begin);
  while (chain.done_bytes < end) {
    ThrowIfInterrupted();
    const auto block =
        Block().first(std::min<uint64_t>(kBlockBytes, end - chain.done_bytes));
    chain.file->ReadAt(chain.done_bytes, block);
    chain.hash.Update(block);
    chain.done_bytes += block.size();
  }
  return end - begin;
}

void FileDigests::Step(uint64_t ahead_of_bytes) {
  Chain* chain = Claim(ahead_of_bytes);
  if (chain) Release(*chain, Hash(*chain, kBurstBytes));
}

void FileDigests::Finish() {
  ParallelFor(chains_.size(), threads_, [this](uint64_t i, int) {
    Hash(*chains_[i], chains_[i]->file->size_bytes());
  });
}

std::vector<std::string> FileDigests::Take() {
  std::vector<std::string> digests;
  for (const auto& chain : chains_) digests.push_back(chain->hash.HexDigest());
  return digests;
}

}  // namespace ram
