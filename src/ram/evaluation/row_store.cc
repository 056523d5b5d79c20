#include "ram/evaluation/row_store.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "ram/base/error.h"

namespace ram {
namespace {

class MemoryRows : public RowStore {
 public:
  // Takes its bytes from `free_bytes` and gives them back.
  MemoryRows(uint64_t rows, uint64_t width, uint64_t& free_bytes)
      : RowStore(rows, width), floats_(rows * width), free_bytes_(free_bytes) {
    free_bytes_ -= floats_.size() * sizeof(float);
  }
  MemoryRows(const MemoryRows&) = delete;
  MemoryRows& operator=(const MemoryRows&) = delete;
  ~MemoryRows() override { free_bytes_ += floats_.size() * sizeof(float); }

  void Read(uint64_t row, uint64_t n, float* out) const override {
    std::copy_n(floats_.data() + row * width(), n * width(), out);
  }
  void Write(uint64_t row, uint64_t n, const float* in) override {
    std::copy_n(in, n * width(), floats_.data() + row * width());
  }

 private:
  std::vector<float> floats_;
  uint64_t& free_bytes_;
};

class FileRows : public RowStore {
 public:
  FileRows(uint64_t rows, uint64_t width,
           const std::filesystem::path& directory)
      : RowStore(rows, width), name_((directory / "ram-rows-XXXXXX").string()) {
    fd_ = ::mkstemp(name_.data());
    if (fd_ < 0) Complain("create");
    ::unlink(name_.c_str());
  }
  FileRows(const FileRows&) = delete;
  FileRows& operator=(const FileRows&) = delete;
  ~FileRows() override { ::close(fd_); }

  void Read(uint64_t row, uint64_t n, float* out) const override {
    auto* to = reinterpret_cast<char*>(out);
    Move("read", row, n, [&](uint64_t done, uint64_t bytes, off_t offset) {
      return ::pread(fd_, to + done, bytes, offset);
    });
  }
  void Write(uint64_t row, uint64_t n, const float* in) override {
    const auto* from = reinterpret_cast<const char*>(in);
    Move("write", row, n, [&](uint64_t done, uint64_t bytes, off_t offset) {
      return ::pwrite(fd_, from + done, bytes, offset);
    });
  }

 private:
  template <typename Call>
  void Move(const char* verb, uint64_t row, uint64_t n,
            const Call& call) const {
    const uint64_t row_bytes = width() * sizeof(float);
    for (uint64_t done = 0; done < n * row_bytes;) {
      const ssize_t moved = call(done, n * row_bytes - done,
                                 static_cast<off_t>(row * row_bytes + done));
      if (moved < 0 && errno == EINTR) continue;
      if (moved == 0) errno = EIO;
      if (moved <= 0) Complain(verb);
      done += static_cast<uint64_t>(moved);
    }
  }

  [[noreturn]] void Complain(const char* verb) const {
    Fail(ErrorKind::kIo,
         "{}: cannot {}: {} (activations that memory has no room for; choose "
         "another folder or more memory)",
         name_, verb, std::strerror(errno));
  }

  std::string name_;
  int fd_ = -1;
};

}  // namespace

RowStores::RowStores(uint64_t memory_bytes, std::filesystem::path directory)
    : free_bytes_(memory_bytes), directory_(std::move(directory)) {
  if (directory_.empty()) directory_ = std::filesystem::temp_directory_path();
}

std::unique_ptr<RowStore> RowStores::Make(uint64_t rows, uint64_t width) {
  const uint64_t bytes = rows * width * sizeof(float);
  if (bytes > free_bytes_) {
    return std::make_unique<FileRows>(rows, width, directory_);
  }
  return std::make_unique<MemoryRows>(rows, width, free_bytes_);
}

}  // namespace ram
