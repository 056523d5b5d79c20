#include "ram/base/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "ram/base/error.h"

namespace ram {
namespace {

FileIdentity IdentityOf(const struct stat& status) {
#ifdef __APPLE__
  const auto& modified = status.st_mtimespec;
#else
  const auto& modified = status.st_mtim;
#endif
  return {static_cast<uint64_t>(status.st_dev),
          static_cast<uint64_t>(status.st_ino),
          static_cast<uint64_t>(status.st_size),
          static_cast<int64_t>(modified.tv_sec) * 1'000'000'000 +
              static_cast<int64_t>(modified.tv_nsec)};
}

}  // namespace

File File::Open(const std::filesystem::path& path) {
  File file;
  file.path_ = path;
  file.fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (file.fd_ < 0) {
    Fail(ErrorKind::kIo, "{}: cannot open: {}", path.string(),
         std::strerror(errno));
  }
  struct stat status;
  if (::fstat(file.fd_, &status) != 0) {
    Fail(ErrorKind::kIo, "{}: cannot stat: {}", path.string(),
         std::strerror(errno));
  }
  if (!S_ISREG(status.st_mode)) {
    Fail(ErrorKind::kIo, "{}: found something else, expected a regular file",
         path.string());
  }
  file.identity_ = IdentityOf(status);
#ifdef POSIX_FADV_SEQUENTIAL
  ::posix_fadvise(file.fd_, 0, 0, POSIX_FADV_SEQUENTIAL);
#endif
  return file;
}

File::File(File&& other) noexcept
    : fd_(std::exchange(other.fd_, -1)),
      path_(std::move(other.path_)),
      identity_(other.identity_) {}

File& File::operator=(File&& other) noexcept {
  std::swap(fd_, other.fd_);
  std::swap(path_, other.path_);
  std::swap(identity_, other.identity_);
  return *this;
}

File::~File() {
  if (fd_ >= 0) ::close(fd_);
}

void File::ReadAt(uint64_t offset, std::span<std::byte> out) const {
  uint64_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(fd_, out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0) {
      if (errno == EINTR) continue;
      Fail(ErrorKind::kIo, "{}: cannot read at byte {}: {}", path_.string(),
           offset + done, std::strerror(errno));
    }
    if (got == 0) {
      Fail(ErrorKind::kCorrupt,
           "{}: found the end of the file at byte {}, expected {} bytes more",
           path_.string(), offset + done, out.size() - done);
    }
    done += static_cast<uint64_t>(got);
  }
}

void File::CheckUnchanged() const {
  const auto fail = [this](std::string_view what) {
    Fail(ErrorKind::kIo,
         "{}: changed while being read: {} (run again when nothing writes to "
         "it)",
         path_.string(), what);
  };
  struct stat status;
  if (::stat(path_.c_str(), &status) != 0) fail("the file is gone");
  const FileIdentity now = IdentityOf(status);
  if (now.device != identity_.device || now.inode != identity_.inode) {
    fail("another file has taken its place");
  }
  if (now.size_bytes != identity_.size_bytes) {
    fail(fmt::format("found {} bytes, expected {}", now.size_bytes,
                     identity_.size_bytes));
  }
  if (now.modified_ns != identity_.modified_ns) {
    fail("its modification time is another");
  }
}

std::string ReadTextFile(const std::filesystem::path& path,
                         uint64_t max_bytes) {
  const File file = File::Open(path);
  if (file.size_bytes() > max_bytes) {
    Fail(ErrorKind::kCorrupt, "{}: found {} bytes, expected at most {}",
         path.string(), file.size_bytes(), max_bytes);
  }
  std::string text(file.size_bytes(), '\0');
  file.ReadAt(0, std::as_writable_bytes(std::span(text)));
  return text;
}

}  // namespace ram
