// Files that are read: by position, never mapped, so that resident memory is
// only the buffers that the caller owns.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>

namespace ram {

// What must stay the same while a file is being read.
struct FileIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  int64_t modified_ns = 0;

  bool operator==(const FileIdentity&) const = default;
};

// An open regular file. Reading from several threads at once is safe.
class File {
 public:
  // Throws kIo, naming the path and the reason, when it cannot be opened or
  // is not a regular file.
  static File Open(const std::filesystem::path& path);

  File(File&& other) noexcept;
  File& operator=(File&& other) noexcept;
  ~File();

  const std::filesystem::path& path() const { return path_; }
  uint64_t size_bytes() const { return identity_.size_bytes; }
  const FileIdentity& identity() const { return identity_; }

  // Fills `out` from byte `offset` on. Throws kIo on a read error and kCorrupt
  // when the file ends first.
  void ReadAt(uint64_t offset, std::span<std::byte> out) const;

  // Throws kIo "PATH: changed while being read: ..." when the file under this
  // path is no longer the one that was opened (size, time, inode, device).
  void CheckUnchanged() const;

 private:
  File() = default;
  int fd_ = -1;
  std::filesystem::path path_;
  FileIdentity identity_;
};

// The whole of a small file. Throws kIo as File::Open does, kCorrupt when it
// is larger than max_bytes.
std::string ReadTextFile(const std::filesystem::path& path,
                         uint64_t max_bytes = uint64_t{256} << 20);

}  // namespace ram
