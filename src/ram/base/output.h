// Output that appears whole or not at all.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace ram {

// A file being written inside an OutputDirectory. WriteAt from several threads
// is safe.
class OutputFile {
 public:
  OutputFile(int fd, std::filesystem::path path);
  OutputFile(const OutputFile&) = delete;
  OutputFile& operator=(const OutputFile&) = delete;
  ~OutputFile();

  // Throws kIo ("PATH: cannot write: No space left on device").
  void WriteAt(uint64_t offset, std::span<const std::byte> bytes);
  // Reads back what was written.
  void ReadAt(uint64_t offset, std::span<std::byte> out) const;
  void Sync();
  const std::filesystem::path& path() const { return path_; }

 private:
  int fd_;
  std::filesystem::path path_;
};

// A directory that is built beside its final place, as
// ".NAME.partial-PID", and moved there in one step by Commit. Destroyed
// without Commit, it leaves nothing behind.
class OutputDirectory {
 public:
  // Throws kIo when `final_path` exists (file, directory or link), when its
  // parent is missing, or when the parent cannot be written.
  explicit OutputDirectory(const std::filesystem::path& final_path);
  OutputDirectory(const OutputDirectory&) = delete;
  OutputDirectory& operator=(const OutputDirectory&) = delete;
  ~OutputDirectory();

  // Where the files lie before Commit.
  const std::filesystem::path& path() const { return partial_path_; }
  const std::filesystem::path& final_path() const { return final_path_; }

  // Creates a file of `size_bytes`, its space reserved (kIo when there is too
  // little). The pointer stays valid until this object is destroyed.
  OutputFile& Create(std::string_view name, uint64_t size_bytes);
  // Creates a small file with these contents.
  void Write(std::string_view name, std::string_view contents);

  // Makes every file and the directory durable.
  void Sync();
  // Renames to the final place; never replaces anything (kIo instead). Call
  // Sync first.
  void Commit();

 private:
  std::filesystem::path final_path_;
  std::filesystem::path partial_path_;
  std::vector<std::unique_ptr<OutputFile>> files_;
  bool committed_ = false;
};

// Writes one file through a temporary beside it. Refuses to replace an
// existing file (kIo).
void WriteNewFile(const std::filesystem::path& path, std::string_view contents);

}  // namespace ram
