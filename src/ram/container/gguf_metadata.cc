// Metadata as callers want it.
#include <algorithm>
#include <array>

#include "ram/base/error.h"
#include "ram/container/gguf.h"

namespace ram {
namespace {

// "u32", "array of 3 string"
std::string TypeText(const GgufValue& value) {
  if (value.type != GgufValueType::kArray) {
    return std::string(GgufValueTypeName(value.type));
  }
  return fmt::format("an array of {} {}", value.size(),
                     GgufValueTypeName(value.element_type));
}

[[noreturn]] void FailType(const GgufMetadata& metadata, const std::string& key,
                           const GgufValue& value, std::string_view expected) {
  Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected {}", metadata.source(),
       key, TypeText(value), expected);
}

// The value, when it is an array or a scalar as asked for; null when missing.
const GgufValue* FindKind(const GgufMetadata& metadata, const std::string& key,
                          bool array, std::string_view expected) {
  const GgufValue* const value = metadata.Find(key);
  if (value && (value->type == GgufValueType::kArray) != array) {
    FailType(metadata, key, *value, expected);
  }
  return value;
}

bool Holds(const GgufValue& value, GgufValueType type) {
  return (value.type == GgufValueType::kArray ? value.element_type
                                              : value.type) == type;
}

// Every whole number in `value`, all zero or more.
std::vector<uint64_t> WholeNumbers(const GgufMetadata& metadata,
                                   const std::string& key,
                                   const GgufValue& value) {
  static constexpr std::string_view kExpected = "whole numbers, zero or more";
  if (Holds(value, GgufValueType::kBool) ||
      value.unsigneds.size() + value.signeds.size() != value.size()) {
    FailType(metadata, key, value, kExpected);
  }
  std::vector<uint64_t> numbers = value.unsigneds;
  for (const int64_t number : value.signeds) {
    if (number < 0) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected {}",
           metadata.source(), key, number, kExpected);
    }
    numbers.push_back(static_cast<uint64_t>(number));
  }
  return numbers;
}

std::vector<double> AllNumbers(const GgufMetadata& metadata,
                               const std::string& key, const GgufValue& value) {
  std::vector<double> numbers = value.floats;
  if (!Holds(value, GgufValueType::kBool)) {
    for (const uint64_t number : value.unsigneds) {
      numbers.push_back(static_cast<double>(number));
    }
  }
  for (const int64_t number : value.signeds) {
    numbers.push_back(static_cast<double>(number));
  }
  if (numbers.size() != value.size()) {
    FailType(metadata, key, value, "numbers");
  }
  return numbers;
}

}  // namespace

std::string_view GgufValueTypeName(GgufValueType type) {
  static constexpr std::array<std::string_view, 13> kNames = {
      "u8",   "i8",     "u16",   "i16", "u32", "i32", "f32",
      "bool", "string", "array", "u64", "i64", "f64"};
  return kNames[static_cast<size_t>(type)];
}

size_t GgufValue::size() const {
  return unsigneds.size() + signeds.size() + floats.size() + strings.size() +
         arrays.size();
}

const GgufValue* GgufMetadata::Find(const std::string& key) const {
  const auto found = values_.find(key);
  return found == values_.end() ? nullptr : &found->second;
}

std::optional<uint64_t> GgufMetadata::Uint(const std::string& key) const {
  const GgufValue* const value = FindKind(*this, key, false, "a whole number");
  if (!value) return std::nullopt;
  return WholeNumbers(*this, key, *value).front();
}

std::optional<double> GgufMetadata::Number(const std::string& key) const {
  const GgufValue* const value = FindKind(*this, key, false, "a number");
  if (!value) return std::nullopt;
  return AllNumbers(*this, key, *value).front();
}

std::optional<bool> GgufMetadata::Bool(const std::string& key) const {
  const GgufValue* const value = FindKind(*this, key, false, "a bool");
  if (!value) return std::nullopt;
  if (value->type != GgufValueType::kBool) {
    FailType(*this, key, *value, "a bool");
  }
  return value->unsigneds.front() != 0;
}

std::optional<std::string_view> GgufMetadata::Text(
    const std::string& key) const {
  const GgufValue* const value = FindKind(*this, key, false, "a string");
  if (!value) return std::nullopt;
  if (value->type != GgufValueType::kString) {
    FailType(*this, key, *value, "a string");
  }
  return value->strings[0];
}

const GgufStrings* GgufMetadata::Strings(const std::string& key) const {
  static constexpr std::string_view kExpected = "an array of strings";
  const GgufValue* const value = FindKind(*this, key, true, kExpected);
  if (!value) return nullptr;
  if (value->element_type != GgufValueType::kString) {
    FailType(*this, key, *value, kExpected);
  }
  return &value->strings;
}

std::optional<std::vector<uint64_t>> GgufMetadata::Uints(
    const std::string& key) const {
  const GgufValue* const value = FindKind(*this, key, true, "an array");
  if (!value) return std::nullopt;
  return WholeNumbers(*this, key, *value);
}

std::optional<std::vector<int64_t>> GgufMetadata::Ints(
    const std::string& key) const {
  const GgufValue* const value = FindKind(*this, key, true, "an array");
  if (!value) return std::nullopt;
  std::vector<int64_t> numbers = value->signeds;
  if (numbers.size() == value->size()) return numbers;
  for (const uint64_t number : WholeNumbers(*this, key, *value)) {
    if (number > INT64_MAX) {
      Fail(ErrorKind::kCorrupt, "{}: {}: found {}, expected at most {}",
           source_, key, number, INT64_MAX);
    }
    numbers.push_back(static_cast<int64_t>(number));
  }
  return numbers;
}

std::optional<std::vector<double>> GgufMetadata::Numbers(
    const std::string& key) const {
  const GgufValue* const value = FindKind(*this, key, true, "an array");
  if (!value) return std::nullopt;
  return AllNumbers(*this, key, *value);
}

std::optional<std::vector<bool>> GgufMetadata::Bools(
    const std::string& key) const {
  static constexpr std::string_view kExpected = "an array of bools";
  const GgufValue* const value = FindKind(*this, key, true, kExpected);
  if (!value) return std::nullopt;
  if (value->element_type != GgufValueType::kBool) {
    FailType(*this, key, *value, kExpected);
  }
  std::vector<bool> bools;
  for (const uint64_t bit : value->unsigneds) bools.push_back(bit != 0);
  return bools;
}

}  // namespace ram
