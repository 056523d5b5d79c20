#include "ram/container/gguf_writer.h"

#include <cassert>
#include <cstring>
#include <optional>

#include "ram/base/checked.h"
#include "ram/base/error.h"

namespace ram {
namespace {

constexpr uint32_t kVersion = 3;

template <typename T>
void Put(T number, std::string& bytes) {
  char raw[sizeof(T)];
  std::memcpy(raw, &number, sizeof(T));
  bytes.append(raw, sizeof(T));
}

void PutText(std::string_view text, std::string& bytes) {
  Put(uint64_t{text.size()}, bytes);
  bytes += text;
}

void PutType(GgufValueType type, std::string& bytes) {
  Put(static_cast<uint32_t>(type), bytes);
}

void PutArray(GgufValueType element_type, uint64_t count, std::string& bytes) {
  PutType(element_type, bytes);
  Put(count, bytes);
}

template <typename T, typename Values>
void PutAll(const Values& values, std::string& bytes) {
  for (const auto value : values) Put(static_cast<T>(value), bytes);
}

// The elements of a scalar or an array of `type`.
void PutElements(GgufValueType type, const GgufValue& value,
                 std::string& bytes) {
  switch (type) {
    case GgufValueType::kU8:
    case GgufValueType::kBool:
      return PutAll<uint8_t>(value.unsigneds, bytes);
    case GgufValueType::kI8:
      return PutAll<int8_t>(value.signeds, bytes);
    case GgufValueType::kU16:
      return PutAll<uint16_t>(value.unsigneds, bytes);
    case GgufValueType::kI16:
      return PutAll<int16_t>(value.signeds, bytes);
    case GgufValueType::kU32:
      return PutAll<uint32_t>(value.unsigneds, bytes);
    case GgufValueType::kI32:
      return PutAll<int32_t>(value.signeds, bytes);
    case GgufValueType::kF32:
      return PutAll<float>(value.floats, bytes);
    case GgufValueType::kU64:
      return PutAll<uint64_t>(value.unsigneds, bytes);
    case GgufValueType::kI64:
      return PutAll<int64_t>(value.signeds, bytes);
    case GgufValueType::kF64:
      return PutAll<double>(value.floats, bytes);
    case GgufValueType::kString:
      for (size_t i = 0; i < value.strings.size(); ++i) {
        PutText(value.strings[i], bytes);
      }
      return;
    case GgufValueType::kArray:
      for (const GgufValue& inner : value.arrays) {
        PutArray(inner.element_type, inner.size(), bytes);
        PutElements(inner.element_type, inner, bytes);
      }
      return;
  }
}

// Magic, version and the two counts.
constexpr uint64_t kFixedBytes = 4 + 4 + 8 + 8;

// Of a tensor's description: name, dimensions, type, offset.
uint64_t EntryBytes(const GgufTensorEntry& tensor) {
  return 8 + tensor.name.size() + 4 + 8 * tensor.shape.size() + 4 + 8;
}

uint64_t Checked(std::optional<uint64_t> bytes) {
  if (!bytes || *bytes > INT64_MAX) {
    Fail(ErrorKind::kUnsupported,
         "GGUF: found a model of more than 2^63 bytes, expected less");
  }
  return *bytes;
}

}  // namespace

void GgufPairs::Key(std::string_view key, GgufValueType type) {
  [[maybe_unused]] const bool fresh = keys_.emplace(key).second;
  assert(fresh);
  PutText(key, bytes_);
  PutType(type, bytes_);
}

void GgufPairs::AddU8(std::string_view key, uint8_t value) {
  Key(key, GgufValueType::kU8);
  Put(value, bytes_);
}

void GgufPairs::AddU16(std::string_view key, uint16_t value) {
  Key(key, GgufValueType::kU16);
  Put(value, bytes_);
}

void GgufPairs::AddU32(std::string_view key, uint32_t value) {
  Key(key, GgufValueType::kU32);
  Put(value, bytes_);
}

void GgufPairs::AddU64(std::string_view key, uint64_t value) {
  Key(key, GgufValueType::kU64);
  Put(value, bytes_);
}

void GgufPairs::AddI32(std::string_view key, int32_t value) {
  Key(key, GgufValueType::kI32);
  Put(value, bytes_);
}

void GgufPairs::AddF32(std::string_view key, float value) {
  Key(key, GgufValueType::kF32);
  Put(value, bytes_);
}

void GgufPairs::AddBool(std::string_view key, bool value) {
  Key(key, GgufValueType::kBool);
  Put(static_cast<uint8_t>(value), bytes_);
}

void GgufPairs::AddText(std::string_view key, std::string_view value) {
  Key(key, GgufValueType::kString);
  PutText(value, bytes_);
}

void GgufPairs::AddTexts(std::string_view key, const GgufStrings& values) {
  Key(key, GgufValueType::kArray);
  PutArray(GgufValueType::kString, values.size(), bytes_);
  for (size_t i = 0; i < values.size(); ++i) PutText(values[i], bytes_);
}

void GgufPairs::AddU32s(std::string_view key,
                        std::span<const uint32_t> values) {
  Key(key, GgufValueType::kArray);
  PutArray(GgufValueType::kU32, values.size(), bytes_);
  PutAll<uint32_t>(values, bytes_);
}

void GgufPairs::AddI32s(std::string_view key, std::span<const int32_t> values) {
  Key(key, GgufValueType::kArray);
  PutArray(GgufValueType::kI32, values.size(), bytes_);
  PutAll<int32_t>(values, bytes_);
}

void GgufPairs::AddF32s(std::string_view key, std::span<const float> values) {
  Key(key, GgufValueType::kArray);
  PutArray(GgufValueType::kF32, values.size(), bytes_);
  PutAll<float>(values, bytes_);
}

void GgufPairs::AddBools(std::string_view key,
                         const std::vector<bool>& values) {
  Key(key, GgufValueType::kArray);
  PutArray(GgufValueType::kBool, values.size(), bytes_);
  PutAll<uint8_t>(values, bytes_);
}

void GgufPairs::AddValue(std::string_view key, const GgufValue& value) {
  Key(key, value.type);
  GgufValueType type = value.type;
  if (type == GgufValueType::kArray) {
    type = value.element_type;
    PutArray(type, value.size(), bytes_);
  }
  PutElements(type, value, bytes_);
}

void GgufPairs::Append(const GgufPairs& other) {
  for (const std::string& key : other.keys_) {
    [[maybe_unused]] const bool fresh = keys_.insert(key).second;
    assert(fresh);
  }
  bytes_ += other.bytes_;
}

uint64_t GgufTensorBytes(const GgufTensorEntry& tensor) {
  const GgmlTypeFacts& facts = FactsOf(tensor.type);
  assert(!tensor.shape.empty() &&
         tensor.shape.back() % facts.block_weights == 0);
  uint64_t bytes = tensor.shape.back() / facts.block_weights;
  bytes = Checked(CheckedMul(bytes, facts.block_bytes));
  for (size_t i = 0; i + 1 < tensor.shape.size(); ++i) {
    bytes = Checked(CheckedMul(bytes, tensor.shape[i]));
  }
  return bytes;
}

GgufFileLayout LayOutGguf(uint64_t pair_count, std::string_view pair_bytes,
                          std::span<const GgufTensorEntry> tensors) {
  GgufFileLayout layout;
  std::string& prefix = layout.prefix;
  prefix = kGgufMagic;
  Put(kVersion, prefix);
  Put(uint64_t{tensors.size()}, prefix);
  Put(pair_count, prefix);
  prefix += pair_bytes;
  uint64_t at = 0;  // from where the data start
  for (const GgufTensorEntry& tensor : tensors) {
    PutText(tensor.name, prefix);
    Put(static_cast<uint32_t>(tensor.shape.size()), prefix);
    for (size_t i = tensor.shape.size(); i-- > 0;) Put(tensor.shape[i], prefix);
    Put(static_cast<uint32_t>(tensor.type), prefix);
    Put(at, prefix);
    layout.offsets.push_back(at);
    at = Checked(
        CheckedAdd(at, RoundUp(GgufTensorBytes(tensor), kGgufAlignment)));
  }
  prefix.resize(RoundUp(prefix.size(), kGgufAlignment), '\0');
  for (uint64_t& offset : layout.offsets) offset += prefix.size();
  layout.file_bytes = Checked(CheckedAdd(prefix.size(), at));
  return layout;
}

uint64_t GgufFileBytes(uint64_t pair_bytes,
                       std::span<const GgufTensorEntry> tensors) {
  uint64_t header = kFixedBytes + pair_bytes;
  uint64_t data = 0;
  for (const GgufTensorEntry& tensor : tensors) {
    header += EntryBytes(tensor);
    data = Checked(
        CheckedAdd(data, RoundUp(GgufTensorBytes(tensor), kGgufAlignment)));
  }
  return Checked(CheckedAdd(RoundUp(header, kGgufAlignment), data));
}

}  // namespace ram
