// For tests: GGUF files written by hand.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "ram/base/checked.h"
#include "ram/container/gguf.h"

namespace ram {

// Bytes of a GGUF file, thing by thing; nothing is checked.
class GgufBytes {
 public:
  template <typename T>
  GgufBytes& Number(T number) {
    char bytes[sizeof(T)];
    std::memcpy(bytes, &number, sizeof(T));
    bytes_.append(bytes, sizeof(T));
    return *this;
  }
  GgufBytes& Text(std::string_view text) {
    Number(static_cast<uint64_t>(text.size()));
    bytes_ += text;
    return *this;
  }
  GgufBytes& Raw(std::string_view bytes) {
    bytes_ += bytes;
    return *this;
  }
  GgufBytes& Header(uint64_t tensors, uint64_t values, uint32_t version = 3) {
    return Raw("GGUF").Number(version).Number(tensors).Number(values);
  }
  GgufBytes& Key(std::string_view key, GgufValueType type) {
    return Text(key).Number(static_cast<uint32_t>(type));
  }
  GgufBytes& Array(GgufValueType element_type, uint64_t count) {
    return Number(static_cast<uint32_t>(element_type)).Number(count);
  }
  // `shape` in our order, outermost first.
  GgufBytes& Tensor(std::string_view name, const std::vector<uint64_t>& shape,
                    GgmlType type, uint64_t offset) {
    Text(name).Number(static_cast<uint32_t>(shape.size()));
    for (size_t i = shape.size(); i-- > 0;) Number(shape[i]);
    return Number(static_cast<uint32_t>(type)).Number(offset);
  }
  GgufBytes& Pad(uint64_t alignment = 32) {
    bytes_.resize(RoundUp(bytes_.size(), alignment), '\0');
    return *this;
  }

  const std::string& bytes() const { return bytes_; }

 private:
  std::string bytes_;
};

// A whole valid file: metadata, then tensors with their data in order.
class GgufFile {
 public:
  GgufFile& U32(std::string_view key, uint32_t value) {
    values_.Key(key, GgufValueType::kU32).Number(value);
    ++value_count_;
    return *this;
  }
  GgufFile& F32(std::string_view key, float value) {
    values_.Key(key, GgufValueType::kF32).Number(value);
    ++value_count_;
    return *this;
  }
  GgufFile& Bool(std::string_view key, bool value) {
    values_.Key(key, GgufValueType::kBool).Number(uint8_t{value});
    ++value_count_;
    return *this;
  }
  GgufFile& Text(std::string_view key, std::string_view value) {
    values_.Key(key, GgufValueType::kString).Text(value);
    ++value_count_;
    return *this;
  }
  GgufFile& Texts(std::string_view key,
                  const std::vector<std::string>& values) {
    values_.Key(key, GgufValueType::kArray);
    values_.Array(GgufValueType::kString, values.size());
    for (const std::string& value : values) values_.Text(value);
    ++value_count_;
    return *this;
  }
  template <typename T>
  GgufFile& Numbers(std::string_view key, GgufValueType type,
                    const std::vector<T>& values) {
    values_.Key(key, GgufValueType::kArray).Array(type, values.size());
    for (const T value : values) values_.Number(value);
    ++value_count_;
    return *this;
  }
  // `shape` outermost first; `data` has the tensor's bytes.
  GgufFile& Tensor(std::string_view name, const std::vector<uint64_t>& shape,
                   GgmlType type, std::string_view data) {
    tensors_.Tensor(name, shape, type, data_.bytes().size());
    data_.Raw(data).Pad();
    ++tensor_count_;
    return *this;
  }

  std::string bytes() const {
    return GgufBytes()
        .Header(tensor_count_, value_count_)
        .Raw(values_.bytes())
        .Raw(tensors_.bytes())
        .Pad()
        .Raw(data_.bytes())
        .bytes();
  }

 private:
  GgufBytes values_;
  GgufBytes tensors_;
  GgufBytes data_;
  uint64_t value_count_ = 0;
  uint64_t tensor_count_ = 0;
};

}  // namespace ram
