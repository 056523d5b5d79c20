// Element types, by their safetensors names.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace ram {

enum class DType : uint8_t {
  kBool,
  kU8,
  kI8,
  kF8E4M3,
  kF8E5M2,
  kF8E8M0,
  kU16,
  kI16,
  kF16,
  kBF16,
  kU32,
  kI32,
  kF32,
  kU64,
  kI64,
  kF64,
};

// "BF16", "F8_E4M3", ...; nullopt when unknown.
std::optional<DType> ParseDType(std::string_view name);
std::string_view DTypeName(DType dtype);
uint64_t DTypeBytes(DType dtype);
// F32, F16, BF16 and F8_E4M3: what weights come in (F64 is not supported).
bool IsWeightDType(DType dtype);
// The 16-bit type a weight of this type is kept in when it is "left at 16
// bits": F16 for F16, BF16 for all others.
DType KeptDType(DType source);

}  // namespace ram
