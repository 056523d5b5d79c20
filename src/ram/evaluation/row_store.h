// Activations: many rows of floats, in memory or, where there is no room, in
// a file that has no name and vanishes with the store.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <vector>

namespace ram {

class RowStore {
 public:
  virtual ~RowStore() = default;
  uint64_t rows() const { return rows_; }
  uint64_t width() const { return width_; }
  // Rows [row, row + n), n * width() floats. Threads may use different rows at
  // the same time. Throws kIo.
  virtual void Read(uint64_t row, uint64_t n, float* out) const = 0;
  virtual void Write(uint64_t row, uint64_t n, const float* in) = 0;

 protected:
  RowStore(uint64_t rows, uint64_t width) : rows_(rows), width_(width) {}

 private:
  uint64_t rows_;
  uint64_t width_;
};

// The share of `memory_bytes` that is not for rows: what is kept of tokens
// while they pass (softmax sums, lists of an expert's tokens) is cut to fit
// into it.
inline uint64_t BookkeepingBytes(uint64_t memory_bytes) {
  return memory_bytes / 8;
}

// Makes stores until the memory they may take is used up, then files. Lives
// longer than its stores.
class RowStores {
 public:
  // `directory` empty: the system's for temporary files.
  RowStores(uint64_t memory_bytes, std::filesystem::path directory);

  std::unique_ptr<RowStore> Make(uint64_t rows, uint64_t width);

 private:
  uint64_t free_bytes_;
  std::filesystem::path directory_;
};

}  // namespace ram
