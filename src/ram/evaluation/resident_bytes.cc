#include "ram/evaluation/resident_bytes.h"

#include <cstring>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "ram/base/byte_size.h"
#include "ram/base/error.h"

namespace ram {
namespace {

constexpr uint64_t kHugePage = uint64_t{2} << 20;
constexpr uint64_t kLine = 64;

}  // namespace

ResidentBytes::ResidentBytes(uint64_t bytes) : size_(bytes) {
  const uint64_t unit = bytes >= kHugePage ? kHugePage : kLine;
  const uint64_t whole = (bytes + unit - 1) / unit * unit;
  bytes_.reset(static_cast<std::byte*>(std::aligned_alloc(unit, whole)));
  if (whole > 0 && !bytes_) {
    Fail(ErrorKind::kIo, "memory: found none left, expected {} more",
         FormatByteSize(bytes));
  }
#ifdef __linux__
  if (unit == kHugePage) ::madvise(bytes_.get(), whole, MADV_HUGEPAGE);
#endif
  std::memset(bytes_.get(), 0, whole);
}

}  // namespace ram
