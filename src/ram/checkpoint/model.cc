#include "ram/checkpoint/model.h"

#include <fmt/format.h>

#include <array>

#include "ram/checkpoint/model_config.h"
#include "ram/quantization/affine.h"

namespace ram {

uint64_t TensorInfo::elements() const {
  uint64_t count = 1;
  for (uint64_t dimension : shape) count *= dimension;
  return count;
}

uint64_t TensorInfo::row_bytes() const {
  const uint64_t cols = shape.empty() ? 1 : shape.back();
  switch (storage.kind) {
    case Storage::Kind::kDense:
      break;
    case Storage::Kind::kAffine:
      return AffineCodeBytes(storage.scheme, cols);
    case Storage::Kind::kBlocks: {
      const GgmlTypeFacts& facts = FactsOf(storage.block_type);
      return cols / facts.block_weights * facts.block_bytes;
    }
  }
  return cols * DTypeBytes(dtype);
}

uint64_t TensorInfo::bytes() const {
  const uint64_t cols = shape.empty() ? 1 : shape.back();
  return elements() / cols * row_bytes();
}

std::string StorageLabel(const TensorInfo& tensor) {
  switch (tensor.storage.kind) {
    case Storage::Kind::kDense:
      break;
    case Storage::Kind::kAffine:
      return SchemeLabel(tensor.storage.scheme);
    case Storage::Kind::kBlocks:
      return std::string(FactsOf(tensor.storage.block_type).name);
  }
  return std::string(DTypeName(tensor.dtype));
}

std::string_view SectionName(Section section) {
  switch (section) {
    case Section::kText:
      return "text";
    case Section::kVision:
      return "vision";
    case Section::kMtp:
      return "mtp";
  }
  return "";
}

uint64_t Model::weights() const {
  uint64_t count = 0;
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (uses[i] != TensorUse::kScale) count += tensors[i].elements();
  }
  return count;
}

uint64_t Model::quantized_weights() const {
  uint64_t count = 0;
  for (const TensorInfo& tensor : tensors) {
    if (!tensor.storage.dense()) count += tensor.elements();
  }
  return count;
}

std::optional<std::string> QuantizedNote(const Model& model) {
  const uint64_t codes = model.quantized_weights();
  if (codes == 0) return std::nullopt;
  return fmt::format(
      "{:.1f} % of the weights are quantized already: errors are measured "
      "against what their codes decode to, and what was lost before is not "
      "in them",
      100.0 * static_cast<double>(codes) /
          static_cast<double>(model.weights()));
}

DType Model::main_dtype() const {
  std::array<uint64_t, 256> counts{};
  for (size_t i = 0; i < tensors.size(); ++i) {
    if (uses[i] == TensorUse::kScale) continue;
    if (!IsWeightDType(tensors[i].dtype)) continue;
    counts[static_cast<uint8_t>(tensors[i].dtype)] += tensors[i].elements();
  }
  size_t best = static_cast<uint8_t>(DType::kBF16);
  for (size_t i = 0; i < counts.size(); ++i) {
    if (counts[i] > counts[best]) best = i;
  }
  return static_cast<DType>(best);
}

std::optional<uint64_t> Model::ConfigUint(const char* key) const {
  const Json* value = FindConfig(config, key);
  return value ? AsUint64(*value) : std::nullopt;
}

}  // namespace ram
