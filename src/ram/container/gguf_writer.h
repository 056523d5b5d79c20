// GGUF files of version 3 as bytes: pairs of metadata, and everything that
// stands before the tensors' data. The inverse of container/gguf.h.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
#pragma once

#include <cstdint>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ram/container/gguf.h"

namespace ram {

// Keys with typed values, as they stand in a file, in the order in which they
// were added. A key can be added once.
class GgufPairs {
 public:
  void AddU8(std::string_view key, uint8_t value);
  void AddU16(std::string_view key, uint16_t value);
  void AddU32(std::string_view key, uint32_t value);
  void AddU64(std::string_view key, uint64_t value);
  void AddI32(std::string_view key, int32_t value);
  void AddF32(std::string_view key, float value);
  void AddBool(std::string_view key, bool value);
  void AddText(std::string_view key, std::string_view value);
  // Arrays.
  void AddTexts(std::string_view key, const GgufStrings& values);
  void AddU32s(std::string_view key, std::span<const uint32_t> values);
  void AddI32s(std::string_view key, std::span<const int32_t> values);
  void AddF32s(std::string_view key, std::span<const float> values);
  void AddBools(std::string_view key, const std::vector<bool>& values);
  // A value that was read from another file, bit for bit.
  void AddValue(std::string_view key, const GgufValue& value);
  // All pairs of `other`, after those here.
  void Append(const GgufPairs& other);

  bool Has(std::string_view key) const { return keys_.contains(key); }
  uint64_t count() const { return keys_.size(); }
  const std::string& bytes() const { return bytes_; }

 private:
  void Key(std::string_view key, GgufValueType type);

  std::string bytes_;
  std::set<std::string, std::less<>> keys_;
};

// Where tensors' data starts is a multiple of this (what files without
// general.alignment mean).
inline constexpr uint64_t kGgufAlignment = 32;

struct GgufTensorEntry {
  std::string_view name;
  std::span<const uint64_t> shape;  // outermost first, one to four dimensions
  GgmlType type = GgmlType::kF32;
};

// Bytes of a tensor; its rows are whole blocks.
uint64_t GgufTensorBytes(const GgufTensorEntry& tensor);

struct GgufFileLayout {
  std::string prefix;             // everything before the data
  std::vector<uint64_t> offsets;  // absolute, of each tensor's data
  uint64_t file_bytes = 0;        // zeros up to the alignment at the end, too
};

// A file of `pair_count` pairs of metadata with these bytes (GgufPairs) and the
// tensors, whose data lie in this order. Throws kUnsupported when it would be
// larger than 2^63 bytes.
GgufFileLayout LayOutGguf(uint64_t pair_count, std::string_view pair_bytes,
                          std::span<const GgufTensorEntry> tensors);
// The size of that file alone.
uint64_t GgufFileBytes(uint64_t pair_bytes,
                       std::span<const GgufTensorEntry> tensors);

}  // namespace ram
