// GGUF files, versions 2 and 3: typed metadata, descriptions of tensors, data.
// https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Little-endian.
// No knowledge of models here.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ram/base/file.h"
#include "ram/tensor/ggml_type.h"

namespace ram {

inline constexpr std::string_view kGgufMagic = "GGUF";

enum class GgufValueType : uint32_t {
  kU8 = 0,
  kI8 = 1,
  kU16 = 2,
  kI16 = 3,
  kU32 = 4,
  kI32 = 5,
  kF32 = 6,
  kBool = 7,
  kString = 8,
  kArray = 9,
  kU64 = 10,
  kI64 = 11,
  kF64 = 12,
};
std::string_view GgufValueTypeName(GgufValueType type);

// The strings of an array, one after the other in one buffer: a vocabulary of
// 150,000 tokens is two allocations.
class GgufStrings {
 public:
  size_t size() const { return ends_.size(); }
  std::string_view operator[](size_t i) const {
    const size_t begin = i == 0 ? 0 : ends_[i - 1];
    return std::string_view(bytes_).substr(begin, ends_[i] - begin);
  }
  void Add(std::string_view text) {
    bytes_ += text;
    ends_.push_back(bytes_.size());
  }

 private:
  std::string bytes_;
  std::vector<size_t> ends_;
};

// One value. Which member holds it follows from `type`, for an array from
// `element_type`, too.
struct GgufValue {
  GgufValueType type = GgufValueType::kU8;
  GgufValueType element_type = GgufValueType::kU8;
  // Scalars and elements of arrays, as many as there are: U8..U64 and Bool in
  // unsigneds, I8..I64 in signeds, F32 and F64 in floats.
  std::vector<uint64_t> unsigneds;
  std::vector<int64_t> signeds;
  std::vector<double> floats;
  GgufStrings strings;
  std::vector<GgufValue> arrays;  // an array of arrays

  size_t size() const;  // 1 for a scalar
};

// All of a file's metadata. The getters give nothing for a missing key, convert
// between widths, and throw kCorrupt "FILE: KEY: found ..., expected ..." for a
// value that is not what is asked for.
class GgufMetadata {
 public:
  using Map = std::unordered_map<std::string, GgufValue>;

  GgufMetadata() = default;
  GgufMetadata(std::string source, Map values)
      : source_(std::move(source)), values_(std::move(values)) {}

  const std::string& source() const { return source_; }  // names the file
  const Map& values() const { return values_; }
  bool Has(const std::string& key) const { return values_.contains(key); }
  const GgufValue* Find(const std::string& key) const;

  // A whole number, zero or more, of any integer type.
  std::optional<uint64_t> Uint(const std::string& key) const;
  // An F32 or F64, or any integer.
  std::optional<double> Number(const std::string& key) const;
  std::optional<bool> Bool(const std::string& key) const;
  std::optional<std::string_view> Text(const std::string& key) const;

  // Arrays; null or nullopt when missing. Strings stay owned by this object.
  const GgufStrings* Strings(const std::string& key) const;
  std::optional<std::vector<uint64_t>> Uints(const std::string& key) const;
  std::optional<std::vector<int64_t>> Ints(const std::string& key) const;
  std::optional<std::vector<double>> Numbers(const std::string& key) const;
  std::optional<std::vector<bool>> Bools(const std::string& key) const;

 private:
  std::string source_;
  Map values_;
};

struct GgufTensor {
  std::string name;
  GgmlType type = GgmlType::kF32;
  // Outermost dimension first, as in safetensors: the reverse of the file's
  // order. One to four, none of them zero.
  std::vector<uint64_t> shape;
  uint64_t offset = 0;  // absolute byte offset in the file
  uint64_t bytes = 0;
};

struct GgufHeader {
  uint32_t version = 3;
  GgufMetadata metadata;
  std::vector<GgufTensor> tensors;  // in the order of their offsets
  uint64_t alignment = 32;
  uint64_t data_offset = 0;  // where tensor data starts
};

// The most a header may take and hold (array elements: in all its arrays), far
// beyond every real file.
inline constexpr uint64_t kMaxGgufHeaderBytes = uint64_t{256} << 20;
inline constexpr uint64_t kMaxGgufValues = uint64_t{1} << 16;
inline constexpr uint64_t kMaxGgufTensors = uint64_t{1} << 20;
inline constexpr uint64_t kMaxGgufElements = uint64_t{1} << 24;
inline constexpr int kMaxGgufArrayDepth = 4;

// True when the file starts with GGUF's magic.
bool IsGguf(const File& file);

// Validates everything: magic, version and byte order, counts, the length of
// every string and array against the bytes that are left, value types,
// duplicate keys and names, shapes that overflow, rows that are not whole
// blocks, alignment, offsets that are misaligned, overlap or leave the file.
// Throws kCorrupt; kUnsupported for version 1, big-endian files and tensor
// types that ggml does not have.
GgufHeader ReadGgufHeader(const File& file);
// The same for a file that is in memory; `source` names it in messages.
GgufHeader ParseGguf(std::string_view bytes, std::string_view source);

}  // namespace ram
