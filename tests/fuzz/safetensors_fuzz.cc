// Any bytes as a .safetensors file: either a valid header or one ram::Error.
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/error.h"
#include "ram/container/safetensors.h"

namespace {

void Require(bool holds) {
  if (!holds) std::abort();
}

// What every caller of the reader relies on.
void CheckHeader(const ram::SafetensorsHeader& header, uint64_t file_bytes) {
  uint64_t end = 0;
  for (const ram::SafetensorsEntry& entry : header.entries) {
    Require(entry.begin >= end && entry.end >= entry.begin);
    uint64_t elements = 1;
    for (const uint64_t size : entry.shape) elements *= size;
    Require(elements * ram::DTypeBytes(entry.dtype) == entry.bytes());
    end = entry.end;
  }
  Require(end <= file_bytes);

  // What we would write for the same tensors reads back as the same tensors.
  std::vector<ram::SafetensorsTensor> tensors;
  for (const ram::SafetensorsEntry& entry : header.entries) {
    tensors.push_back({entry.name, entry.dtype, entry.shape});
  }
  const ram::SafetensorsLayout layout =
      ram::LayOutSafetensors(tensors, header.metadata);
  const ram::SafetensorsHeader again = ram::ParseSafetensorsHeader(
      std::string_view(layout.prefix).substr(8), layout.file_bytes, "again");
  Require(again.entries.size() == header.entries.size());
  Require(again.metadata == header.metadata);
}

// One scratch file for the whole run, in memory where there is /dev/shm.
const std::filesystem::path& ScratchFile() {
  static const std::filesystem::path path = [] {
    const char* folder =
        std::filesystem::exists("/dev/shm") ? "/dev/shm" : "/tmp";
    std::string name = std::string(folder) + "/safetensors_fuzz.XXXXXX";
    const int fd = mkstemp(name.data());
    Require(fd >= 0);
    close(fd);
    static const std::string kept = name;
    std::atexit([] { std::filesystem::remove(kept); });
    return std::filesystem::path(name);
  }();
  return path;
}

void ReadAsFile(std::span<const uint8_t> bytes) {
  const int fd = open(ScratchFile().c_str(), O_WRONLY | O_TRUNC);
  Require(fd >= 0);
  Require(write(fd, bytes.data(), bytes.size()) ==
          static_cast<ssize_t>(bytes.size()));
  close(fd);
  try {
    const ram::File file = ram::File::Open(ScratchFile());
    CheckHeader(ram::ReadSafetensorsHeader(file), bytes.size());
  } catch (const ram::Error&) {
  }
}

// The JSON text alone, its data taken to be as long as it claims to be up to
// 64 bytes: the length field and the padding do not stand in the way.
void ReadAsHeader(std::span<const uint8_t> bytes) {
  const std::string_view text(reinterpret_cast<const char*>(bytes.data()),
                              bytes.size());
  for (uint64_t data_bytes = 0; data_bytes <= 64; data_bytes += 16) {
    const uint64_t file_bytes = 8 + text.size() + data_bytes;
    try {
      CheckHeader(ram::ParseSafetensorsHeader(text, file_bytes, "fuzz"),
                  file_bytes);
    } catch (const ram::Error&) {
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::span<const uint8_t> bytes(data, size);
  // A header is text that starts with a brace; everything else is a file.
  if (size > 0 && data[0] == '{') {
    ReadAsHeader(bytes);
  } else {
    ReadAsFile(bytes);
  }
  return 0;
}
