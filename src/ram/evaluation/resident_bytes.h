// Memory that is read from end to end again and again: on whole cache lines,
// in huge pages where the system has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

namespace ram {

class ResidentBytes {
 public:
  ResidentBytes() = default;
  // Zeros. Throws kIo when there is not so much memory.
  explicit ResidentBytes(uint64_t bytes);

  std::byte* data() { return bytes_.get(); }
  const std::byte* data() const { return bytes_.get(); }
  uint64_t size() const { return size_; }

 private:
  struct Free {
    void operator()(std::byte* bytes) const { std::free(bytes); }
  };
  std::unique_ptr<std::byte, Free> bytes_;
  uint64_t size_ = 0;
};

}  // namespace ram
