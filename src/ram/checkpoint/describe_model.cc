#include <unordered_set>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/checkpoint/describe_tensors.h"
#include "ram/checkpoint/model.h"
#include "ram/checkpoint/model_config.h"

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

std::string TextOf(const Json& config, const char* key) {
  if (!config.is_object() || !config.contains(key)) return {};
  return config[key].is_string() ? config[key].get<std::string>() : "";
}

std::string FirstClass(const Json& config) {
  if (!config.is_object() || !config.contains("architectures")) return {};
  const Json& list = config["architectures"];
  if (!list.is_array() || list.empty() || !list[0].is_string()) return {};
  return list[0].get<std::string>();
}

[[noreturn]] void RefuseQuantized(std::string_view where,
                                  std::string_view found) {
  Fail(ErrorKind::kUnsupported,
       "{}: found {}, expected float weights or FP8 with block scales (start "
       "from the checkpoint this one was made from)",
       where, found);
}

// By the names of GPTQ, AWQ, compressed-tensors and MLX.
bool IsCodesOrScales(std::string_view name, const TensorTable& table,
                     const std::vector<TensorInfo>& tensors) {
  if (name.ends_with(".qweight") || name.ends_with(".weight_packed")) {
    return true;
  }
  for (std::string_view suffix : {".scales", ".weight_scale"}) {
    if (!name.ends_with(suffix)) continue;
    name.remove_suffix(suffix.size());
    const auto weight = table.find(fmt::format("{}.weight", name));
    if (weight == table.end()) return false;
    const DType dtype = tensors[weight->second].dtype;
    return !IsWeightDType(dtype) || dtype == DType::kF8E4M3;
  }
  return false;
}

// Weights that already are integer codes cannot be measured or cut.
void CheckNotQuantized(const Json& config, const TensorTable& table,
                       const std::vector<TensorInfo>& tensors,
                       std::string_view source) {
  const std::string file = fmt::format("{}/config.json", source);
  if (FindConfig(config, "quantization")) {
    RefuseQuantized(file + ": quantization", "a model quantized by MLX");
  }
  if (const Json* found = FindConfig(config, "quantization_config")) {
    const std::string method = TextOf(*found, "quant_method");
    if (method != "fp8") {
      RefuseQuantized(file + ": quantization_config",
                      fmt::format("quant_method '{}'", method));
    }
  }
  for (const TensorInfo& tensor : tensors) {
    if (IsCodesOrScales(tensor.name, table, tensors)) {
      RefuseQuantized(fmt::format("{}: {}", source, tensor.name),
                      "the codes or scales of a quantized weight");
    }
  }
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
  const TensorTable table = CheckTensors(model.tensors, source);
  CheckNotQuantized(model.config, table, model.tensors, source);
  PairBlockScales(table, source, model);

  model.model_type = TextOf(model.config, "model_type");
  model.architecture = FirstClass(model.config);
  const Architecture* known =
      FindArchitecture(model.model_type, model.architecture);
  model.known = known != nullptr;
  if (model.architecture.empty()) model.architecture = "unknown";
  if (known) {
    DescribeByArchitecture(*known, table, source, model);
  } else {
    DescribeByName(model);
  }
  CheckMatrices(model.matrices, source);
  return model;
}

}  // namespace ram
