#include "ram/checkpoint/block_scales.h"

#include <fmt/ranges.h>

#include <limits>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/checkpoint/model_config.h"
#include "ram/tensor/shape_text.h"

namespace ram {
namespace {

constexpr std::string_view kSuffix = "_scale_inv";

// The shape of the scales of a weight of this shape; empty for one scale.
std::vector<uint64_t> ScaleShape(std::vector<uint64_t> shape,
                                 const BlockSize& block) {
  if (block.rows == std::numeric_limits<uint64_t>::max()) return {};
  const size_t n = shape.size();
  shape[n - 1] = CeilDiv(shape[n - 1], block.cols);
  shape[n - 2] = CeilDiv(shape[n - 2], block.rows);
  return shape;
}

void CheckScale(const TensorInfo& weight, const TensorInfo& scale,
                const BlockSize& block, std::string_view source) {
  if (scale.dtype != DType::kF32 && scale.dtype != DType::kBF16) {
    Fail(ErrorKind::kUnsupported, "{}: {}: found {}, expected F32 or BF16",
         source, scale.name, DTypeName(scale.dtype));
  }
  const std::vector<uint64_t> expected = ScaleShape(weight.shape, block);
  const bool fits =
      expected.empty() ? scale.elements() == 1 : scale.shape == expected;
  if (!fits) {
    Fail(ErrorKind::kCorrupt,
         "{}: {}: found shape {}, expected {} (one scale per {} of {} {})",
         source, scale.name, ShapeText(scale.shape), ShapeText(expected),
         expected.empty()
             ? "tensor"
             : fmt::format("{} x {} block", block.rows, block.cols),
         weight.name, ShapeText(weight.shape));
  }
}

}  // namespace

BlockSize Fp8BlockSize(const Json& config, std::string_view source) {
  const Json* quantization = FindConfig(config, "quantization_config");
  if (!quantization || !quantization->is_object()) return {};
  const auto found = quantization->find("weight_block_size");
  if (found == quantization->end()) return {};
  if (found->is_null()) {
    constexpr uint64_t kAll = std::numeric_limits<uint64_t>::max();
    return {kAll, kAll};
  }
  if (found->is_array() && found->size() == 2) {
    const uint64_t rows = AsUint64((*found)[0]).value_or(0);
    const uint64_t cols = AsUint64((*found)[1]).value_or(0);
    if (rows > 0 && cols > 0) return {rows, cols};
  }
  Fail(ErrorKind::kCorrupt,
       "{}/config.json: quantization_config.weight_block_size: found {}, "
       "expected two whole numbers above zero",
       source, found->dump().substr(0, 60));
}

void PairBlockScales(const TensorTable& table, std::string_view source,
                     Model& model) {
  std::optional<BlockSize> block;
  std::string name;
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& tensor = model.tensors[i];
    if (tensor.name.ends_with(kSuffix)) {
      name = tensor.name.substr(0, tensor.name.size() - kSuffix.size());
      const auto weight = table.find(name);
      const bool paired = weight != table.end() &&
                          model.tensors[weight->second].dtype == DType::kF8E4M3;
      if (!paired) {
        Fail(ErrorKind::kCorrupt,
             "{}: {}: found scales, but {} is {}, expected F8_E4M3", source,
             tensor.name, name,
             weight == table.end()
                 ? "missing"
                 : DTypeName(model.tensors[weight->second].dtype));
      }
    }
    if (tensor.dtype != DType::kF8E4M3) continue;
    name = tensor.name;
    name += kSuffix;
    const auto scale = table.find(name);
    if (scale == table.end() || tensor.shape.size() < 2) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found F8_E4M3 {}, expected at least two dimensions and "
           "its scales in {}",
           source, tensor.name, ShapeText(tensor.shape), name);
    }
    if (!block) block = Fp8BlockSize(model.config, source);
    CheckScale(tensor, model.tensors[scale->second], *block, source);
    model.block_scales[i] = scale->second;
    model.uses[scale->second] = TensorUse::kScale;
  }
}

}  // namespace ram
