// What both targets do alike: matrices grouped under names become units, the
// rest is copied or dropped.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ram/target/target.h"

namespace ram {

// "x.weight" -> "x".
std::string_view WithoutWeight(std::string_view name);

// Every affine scheme for rows of `cols`, in the order of Unit::legal.
std::vector<Scheme> LegalSchemes(uint64_t cols, bool quantizable);

// The unit of these matrices, in this order; `shape` as Unit's.
Unit MakeUnit(const Model& model, std::string name,
              std::vector<uint32_t> members, std::vector<uint64_t> shape,
              bool quantizable);

// The type a copied tensor is stored in: F32 becomes BF16 only where the whole
// model is F32, and never for tables whose precision matters.
DType PlainDType(const TensorInfo& tensor, DType main_dtype);

inline constexpr char kTiedReason[] = "the embedding is the head, too (tied)";

// Why no runtime reads this tensor; nullopt where one does.
std::optional<std::string> WhyNeverRead(const Model& model, uint32_t tensor);

// A head of its own beside an embedding that is the head, too.
bool IsTiedHead(const Model& model, const Matrix& matrix);

}  // namespace ram
