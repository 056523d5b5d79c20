#include "ram/base/output.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>

#include "ram/base/error.h"

namespace ram {
namespace fs = std::filesystem;
namespace {

[[noreturn]] void FailWrite(const fs::path& path, int error) {
  Fail(ErrorKind::kIo, "{}: cannot write: {}", path.string(),
       std::strerror(error));
}

void SyncDirectory(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) FailWrite(path, errno);
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  // Some file systems cannot sync a directory and say EINVAL.
  if (result != 0 && error != EINVAL) FailWrite(path, error);
}

// Moves `from` to `to` only if nothing is there.
void RenameNoReplace(const fs::path& from, const fs::path& to) {
#if defined(__linux__)
  int result = ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(),
                           RENAME_NOREPLACE);
  const bool unsupported = result != 0 && (errno == EINVAL || errno == ENOSYS);
#elif defined(__APPLE__)
  int result = ::renamex_np(from.c_str(), to.c_str(), RENAME_EXCL);
  const bool unsupported = result != 0 && errno == ENOTSUP;
#else
  int result = -1;
  const bool unsupported = true;
#endif
  if (unsupported) {
    std::error_code ignored;
    if (fs::exists(fs::symlink_status(to, ignored))) {
      errno = EEXIST;
    } else {
      result = ::rename(from.c_str(), to.c_str());
    }
  }
  if (result != 0) {
    Fail(ErrorKind::kIo, "{}: cannot move the finished output there: {}",
         to.string(), std::strerror(errno));
  }
}

fs::path WithoutTrailingSlash(const fs::path& path) {
  return path.filename().empty() ? path.parent_path() : path;
}

fs::path PartialPath(const fs::path& final_path) {
  return final_path.parent_path() / fmt::format(".{}.partial-{}",
                                                final_path.filename().string(),
                                                ::getpid());
}

void CheckFree(const fs::path& final_path) {
  std::error_code error;
  if (fs::exists(fs::symlink_status(final_path, error))) {
    Fail(ErrorKind::kIo,
         "{}: found an existing output, expected a new name (nothing was "
         "changed; remove it or choose another)",
         final_path.string());
  }
  const fs::path parent =
      final_path.has_parent_path() ? final_path.parent_path() : fs::path(".");
  if (!fs::is_directory(parent, error)) {
    Fail(ErrorKind::kIo, "{}: found no such directory, expected it to exist",
         parent.string());
  }
}

}  // namespace

OutputFile::OutputFile(int fd, fs::path path)
    : fd_(fd), path_(std::move(path)) {}

OutputFile::~OutputFile() { ::close(fd_); }

void OutputFile::WriteAt(uint64_t offset, std::span<const std::byte> bytes) {
  uint64_t done = 0;
  while (done < bytes.size()) {
    const ssize_t put = ::pwrite(fd_, bytes.data() + done, bytes.size() - done,
                                 static_cast<off_t>(offset + done));
    if (put < 0) {
      if (errno == EINTR) continue;
      FailWrite(path_, errno);
    }
    done += static_cast<uint64_t>(put);
  }
}

void OutputFile::ReadAt(uint64_t offset, std::span<std::byte> out) const {
  uint64_t done = 0;
  while (done < out.size()) {
    const ssize_t got = ::pread(fd_, out.data() + done, out.size() - done,
                                static_cast<off_t>(offset + done));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) {
      Fail(ErrorKind::kIo, "{}: cannot read back at byte {}: {}",
           path_.string(), offset + done,
           got == 0 ? "the file ends" : std::strerror(errno));
    }
    done += static_cast<uint64_t>(got);
  }
}

void OutputFile::Sync() {
  if (::fsync(fd_) != 0) FailWrite(path_, errno);
}

OutputDirectory::OutputDirectory(const fs::path& final_path)
    : final_path_(WithoutTrailingSlash(final_path)),
      partial_path_(PartialPath(final_path_)) {
  CheckFree(final_path_);
  // Left by a killed process that had this number before.
  std::error_code ignored;
  fs::remove_all(partial_path_, ignored);
  if (::mkdir(partial_path_.c_str(), 0777) != 0) {
    Fail(ErrorKind::kIo, "{}: cannot create the output directory: {}",
         partial_path_.string(), std::strerror(errno));
  }
}

OutputDirectory::~OutputDirectory() {
  files_.clear();
  if (committed_) return;
  std::error_code ignored;
  fs::remove_all(partial_path_, ignored);
}

OutputFile& OutputDirectory::Create(std::string_view name,
                                    uint64_t size_bytes) {
  const fs::path path = partial_path_ / name;
  const int fd =
      ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd < 0) FailWrite(path, errno);
  files_.push_back(std::make_unique<OutputFile>(fd, path));
  if (size_bytes == 0) return *files_.back();
#ifdef __linux__
  int error = ::posix_fallocate(fd, 0, static_cast<off_t>(size_bytes));
  if (error == EOPNOTSUPP || error == EINVAL) {
    error = ::ftruncate(fd, static_cast<off_t>(size_bytes)) == 0 ? 0 : errno;
  }
#else
  const int error =
      ::ftruncate(fd, static_cast<off_t>(size_bytes)) == 0 ? 0 : errno;
#endif
  if (error != 0) {
    Fail(ErrorKind::kIo, "{}: cannot reserve {} bytes: {}", path.string(),
         size_bytes, std::strerror(error));
  }
  return *files_.back();
}

void OutputDirectory::Write(std::string_view name, std::string_view contents) {
  OutputFile& file = Create(name, 0);
  file.WriteAt(0, std::as_bytes(std::span(contents)));
}

void OutputDirectory::Sync() {
  for (const auto& file : files_) file->Sync();
  SyncDirectory(partial_path_);
}

void OutputDirectory::Commit() {
  RenameNoReplace(partial_path_, final_path_);
  committed_ = true;
  SyncDirectory(final_path_.has_parent_path() ? final_path_.parent_path()
                                              : fs::path("."));
}

void WriteNewFile(const fs::path& path, std::string_view contents) {
  CheckFree(path);
  const fs::path partial = PartialPath(path);
  const int fd =
      ::open(partial.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  if (fd < 0) FailWrite(partial, errno);
  try {
    OutputFile file(fd, partial);
    file.WriteAt(0, std::as_bytes(std::span(contents)));
    file.Sync();
    RenameNoReplace(partial, path);
  } catch (...) {
    ::unlink(partial.c_str());
    throw;
  }
}

}  // namespace ram
