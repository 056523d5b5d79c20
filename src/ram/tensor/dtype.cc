#include "ram/tensor/dtype.h"

#include <array>
#include <cstddef>

namespace ram {
namespace {

struct DTypeFacts {
  std::string_view name;
  uint64_t bytes;
};

// In the order of the enumeration.
constexpr std::array<DTypeFacts, 16> kDTypeFacts = {{
    {"BOOL", 1},
    {"U8", 1},
    {"I8", 1},
    {"F8_E4M3", 1},
    {"F8_E5M2", 1},
    {"F8_E8M0", 1},
    {"U16", 2},
    {"I16", 2},
    {"F16", 2},
    {"BF16", 2},
    {"U32", 4},
    {"I32", 4},
    {"F32", 4},
    {"U64", 8},
    {"I64", 8},
    {"F64", 8},
}};

const DTypeFacts& FactsOf(DType dtype) {
  return kDTypeFacts[static_cast<std::size_t>(dtype)];
}

}  // namespace

std::optional<DType> ParseDType(std::string_view name) {
  for (std::size_t i = 0; i < kDTypeFacts.size(); ++i) {
    if (kDTypeFacts[i].name == name) return static_cast<DType>(i);
  }
  return std::nullopt;
}

std::string_view DTypeName(DType dtype) { return FactsOf(dtype).name; }

uint64_t DTypeBytes(DType dtype) { return FactsOf(dtype).bytes; }

bool IsWeightDType(DType dtype) {
  return dtype == DType::kF32 || dtype == DType::kF16 ||
         dtype == DType::kBF16 || dtype == DType::kF8E4M3;
}

DType KeptDType(DType source) {
  return source == DType::kF16 ? DType::kF16 : DType::kBF16;
}

}  // namespace ram
