// The safetensors format: 8 bytes of header length, a JSON header, the data.
// https://github.com/huggingface/safetensors (format section of its README).
// No knowledge of models here.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/file.h"
#include "ram/tensor/dtype.h"

namespace ram {

struct SafetensorsEntry {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
  uint64_t begin;  // absolute byte offset in the file
  uint64_t end;

  uint64_t bytes() const { return end - begin; }
  uint64_t elements() const { return bytes() / DTypeBytes(dtype); }
};

struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;  // in the order of their offsets
  std::map<std::string, std::string> metadata;
};

// The largest header that is accepted, as in the reference implementation.
inline constexpr uint64_t kMaxSafetensorsHeaderBytes = 100'000'000;

// `header` is the JSON text after the length, `file_bytes` the size of the
// whole file. Validates everything: JSON, keys, dtypes, shapes that overflow,
// offsets that are negative, fractional, unordered, overlapping, leave gaps, do
// not match dtype x shape, or do not end with the file. Throws kCorrupt
// (kUnsupported for an unknown dtype) with `source` as the file's name.
SafetensorsHeader ParseSafetensorsHeader(std::string_view header,
                                         uint64_t file_bytes,
                                         std::string_view source);

SafetensorsHeader ReadSafetensorsHeader(const File& file);

// What a file to be written holds, in the order of writing.
struct SafetensorsTensor {
  std::string name;
  DType dtype;
  std::vector<uint64_t> shape;
};

// Where everything goes in a file with these tensors.
struct SafetensorsLayout {
  std::string prefix;             // length and header, ready to write
  std::vector<uint64_t> offsets;  // absolute, one per tensor
  uint64_t file_bytes = 0;
};

// Data is contiguous in the given order, the header padded with spaces so that
// the data starts at a multiple of 8.
SafetensorsLayout LayOutSafetensors(
    const std::vector<SafetensorsTensor>& tensors,
    const std::map<std::string, std::string>& metadata);

}  // namespace ram
