#include "ram/export/digest_chains.h"

#include <algorithm>

#include "ram/base/interrupt.h"
#include "ram/base/parallel.h"

namespace ram {
namespace {

// Small enough to stay in a core's cache between the read and the hash.
constexpr uint64_t kChunkBytes = uint64_t{256} << 10;

std::span<std::byte> ChunkBuffer() {
  thread_local std::vector<std::byte> buffer(kChunkBytes);
  return buffer;
}

}  // namespace

void DigestChains::Add(Source source) {
  chains_.push_back(std::make_unique<Chain>());
  chains_.back()->source = std::move(source);
}

void DigestChains::Advance(Chain& chain, uint64_t limit) {
  const std::span<std::byte> buffer = ChunkBuffer();
  while (chain.done_bytes < limit) {
    ThrowIfInterrupted();
    const auto chunk =
        buffer.first(std::min(kChunkBytes, limit - chain.done_bytes));
    chain.source.read(chain.done_bytes, chunk);
    chain.sha256.Update(chunk);
    if (chain.source.see) chain.source.see(chain.done_bytes, chunk);
    chain.done_bytes += chunk.size();
  }
}

void DigestChains::Pump() {
  for (const auto& chain : chains_) {
    const std::unique_lock lock(chain->mutex, std::try_to_lock);
    if (!lock.owns_lock()) continue;
    const uint64_t bytes = chain->source.bytes;
    Advance(*chain, chain->source.limit ? std::min(chain->source.limit(), bytes)
                                        : bytes);
  }
}

void DigestChains::Finish(int threads) {
  ParallelFor(chains_.size(), threads, [&](uint64_t item, int) {
    Chain& chain = *chains_[item];
    Advance(chain, chain.source.bytes);
    chain.hex = chain.sha256.HexDigest();
  });
}

const std::string& DigestChains::HexDigest(size_t chain) const {
  return chains_[chain]->hex;
}

}  // namespace ram
