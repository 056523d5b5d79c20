#include <unordered_set>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/checkpoint/describe_tensors.h"
#include "ram/checkpoint/model.h"
#include "ram/checkpoint/model_config.h"
#include "ram/checkpoint/packed_ints.h"
#include "ram/checkpoint/stored_codes.h"
#include "ram/tensor/shape_text.h"

namespace ram {
namespace {

// Names are unique, shapes hold something and multiply without overflow.
TensorTable CheckTensors(const std::vector<TensorInfo>& tensors,
                         std::string_view source) {
  TensorTable table;
  table.reserve(tensors.size());
  for (uint32_t i = 0; i < tensors.size(); ++i) {
    const TensorInfo& tensor = tensors[i];
    if (!table.emplace(tensor.name, i).second) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found this tensor twice, expected once", source,
           tensor.name);
    }
    for (uint64_t dimension : tensor.shape) {
      if (dimension != 0) continue;
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found an empty tensor of shape {}, expected every "
           "dimension to be 1 or more",
           source, tensor.name, ShapeText(tensor.shape));
    }
    const auto elements = CheckedProduct(tensor.shape);
    if (!elements || !CheckedMul(*elements, DTypeBytes(tensor.dtype))) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found shape {}, expected one whose size fits 64 bits",
           source, tensor.name, ShapeText(tensor.shape));
    }
  }
  return table;
}

std::string FirstClass(const Json& config) {
  if (!config.is_object() || !config.contains("architectures")) return {};
  const Json& list = config["architectures"];
  if (!list.is_array() || list.empty() || !list[0].is_string()) return {};
  return list[0].get<std::string>();
}

void CheckCodesAreMatrices(const Model& model, std::string_view source) {
  for (size_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& tensor = model.tensors[i];
    if (tensor.storage.dense() || model.uses[i] != TensorUse::kPlain) continue;
    Fail(ErrorKind::kUnsupported,
         "{}: {}: found {} in codes of {}, expected a matrix or a stack of "
         "experts",
         source, tensor.name_in_file(), ShapeText(tensor.shape),
         StorageLabel(tensor));
  }
}

// MLX's names become Hugging Face's where the family has others there. Says
// whether it changed any.
bool RenameFromMlx(const Architecture& family, const TensorTable& table,
                   std::vector<TensorInfo>& tensors) {
  const std::string_view first = family.model_patterns[0].path;
  const auto has = [&](std::string_view prefix) {
    return table.contains(fmt::format("{}{}", prefix, first));
  };
  if (family.mlx_prefix.empty() || !has(family.mlx_prefix) ||
      has(family.prefix)) {
    return false;
  }
  for (TensorInfo& tensor : tensors) {
    for (const auto& [from, to] :
         {std::pair(family.mlx_prefix, family.prefix),
          {family.mlx_head_prefix, family.head_prefix}}) {
      if (from.empty() || !tensor.name.starts_with(from)) continue;
      tensor.stored_name = tensor.name;
      tensor.name.replace(0, from.size(), to);
      break;
    }
  }
  return true;
}

void CheckMatrices(const std::vector<Matrix>& matrices,
                   std::string_view source) {
  std::unordered_set<std::string_view> names;
  names.reserve(matrices.size());
  for (const Matrix& matrix : matrices) {
    if (matrix.weights() == 0) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found an empty matrix of {} x {}, expected weights", source,
           matrix.name, matrix.rows, matrix.cols);
    }
    if (!names.insert(matrix.name).second) {
      Fail(ErrorKind::kCorrupt,
           "{}: {}: found this matrix in two tensors, expected it once", source,
           matrix.name);
    }
  }
}

}  // namespace

Model DescribeModel(Json config, std::vector<TensorInfo> tensors,
                    std::string_view source) {
  if (!config.is_object() && !config.is_null()) {
    Fail(ErrorKind::kCorrupt,
         "{}/config.json: found {}, expected a JSON object", source,
         config.type_name());
  }
  Model model;
  model.config = std::move(config);
  model.tensors = std::move(tensors);
  const size_t count = model.tensors.size();
  model.uses.assign(count, TensorUse::kPlain);
  model.block_scales.assign(count, -1);
  model.sections.assign(count, Section::kText);
  TensorTable table = CheckTensors(model.tensors, source);
  if (PairPackedInts(table, source, model)) {
    table = CheckTensors(model.tensors, source);
  }
  PairStoredCodes(table, source, model);
  PairBlockScales(table, source, model);

  model.model_type = TextOf(model.config, "model_type");
  model.architecture = FirstClass(model.config);
  const Architecture* known =
      FindArchitecture(model.model_type, model.architecture);
  model.known = known != nullptr;
  if (model.architecture.empty()) model.architecture = "unknown";
  if (known && RenameFromMlx(*known, table, model.tensors)) {
    table = CheckTensors(model.tensors, source);
  }
  if (known) {
    DescribeByArchitecture(*known, table, source, model);
  } else {
    DescribeByName(model);
  }
  CheckCodesAreMatrices(model, source);
  CheckMatrices(model.matrices, source);
  return model;
}

}  // namespace ram
