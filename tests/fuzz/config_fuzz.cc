// Any config.json with any list of tensors: a model whose matrices lie inside
// their tensors, or one ram::Error.
//
// An input is the JSON text and, after a zero byte, one tensor a line:
// "NAME DIM DIM ...", or "NAME:TYPE DIM DIM ..." for another type than BF16.
// Without such a list, a small Llama's tensors are used.
#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ram/base/checked.h"
#include "ram/base/error.h"
#include "ram/base/json.h"
#include "ram/checkpoint/model.h"
#include "ram/tensor/dtype.h"

namespace {

constexpr size_t kMaxTensors = 64;

void Require(bool holds) {
  if (!holds) std::abort();
}

ram::TensorInfo Tensor(std::string name, std::vector<uint64_t> shape) {
  ram::TensorInfo tensor;
  tensor.name = std::move(name);
  tensor.file = "model.safetensors";
  tensor.shape = std::move(shape);
  return tensor;
}

std::vector<ram::TensorInfo> SmallLlama() {
  std::vector<ram::TensorInfo> tensors = {
      Tensor("model.embed_tokens.weight", {16, 8}),
      Tensor("model.norm.weight", {8}), Tensor("lm_head.weight", {16, 8})};
  const std::string layer = "model.layers.0.";
  for (const char* name : {"q_proj", "k_proj", "v_proj", "o_proj"}) {
    tensors.push_back(Tensor(layer + "self_attn." + name + ".weight", {8, 8}));
  }
  for (const char* name : {"gate_proj", "up_proj"}) {
    tensors.push_back(Tensor(layer + "mlp." + name + ".weight", {12, 8}));
  }
  tensors.push_back(Tensor(layer + "mlp.down_proj.weight", {8, 12}));
  tensors.push_back(Tensor(layer + "input_layernorm.weight", {8}));
  return tensors;
}

// Sizes that the checkpoint reader would have refused are left out here, too.
std::vector<ram::TensorInfo> TensorsFromLines(std::string_view lines) {
  std::vector<ram::TensorInfo> tensors;
  while (!lines.empty() && tensors.size() < kMaxTensors) {
    const size_t end = std::min(lines.find('\n'), lines.size());
    std::string_view line = lines.substr(0, end);
    lines.remove_prefix(std::min(end + 1, lines.size()));
    const size_t name_end = std::min(line.find(' '), line.size());
    std::string name(line.substr(0, name_end));
    ram::DType dtype = ram::DType::kBF16;
    if (const size_t colon = name.find(':'); colon != name.npos) {
      dtype = ram::ParseDType(name.substr(colon + 1)).value_or(dtype);
      name.resize(colon);
    }
    line.remove_prefix(name_end);
    std::vector<uint64_t> shape;
    while (!line.empty()) {
      line.remove_prefix(1);
      uint64_t size = 0;
      const auto [stop, error] =
          std::from_chars(line.data(), line.data() + line.size(), size);
      if (error != std::errc()) break;
      shape.push_back(size);
      line.remove_prefix(static_cast<size_t>(stop - line.data()));
    }
    const auto elements = ram::CheckedProduct(shape);
    if (!elements || *elements > uint64_t{1} << 40 || name.empty()) continue;
    tensors.push_back(Tensor(std::move(name), std::move(shape)));
    tensors.back().dtype = dtype;
  }
  return tensors;
}

// Scales and biases of codes have a row of groups for each row of weights;
// signed integers have no biases.
void CheckStorage(const ram::Model& model, const ram::TensorInfo& tensor) {
  if (tensor.storage.dense()) return;
  const auto group = static_cast<uint64_t>(tensor.storage.scheme.group_size);
  Require(tensor.shape.back() % group == 0);
  const bool biased = tensor.storage.scheme.kind != ram::SchemeKind::kInt;
  Require(biased || tensor.storage.biases == -1);
  for (const int64_t index : {tensor.storage.scales, tensor.storage.biases}) {
    if (index == tensor.storage.biases && !biased) continue;
    Require(index >= 0 && static_cast<size_t>(index) < model.tensors.size());
    const size_t at = static_cast<size_t>(index);
    Require(model.uses[at] == ram::TensorUse::kScale);
    Require(model.tensors[at].elements() * group == tensor.elements());
    Require(model.tensors[at].dtype == tensor.dtype);
  }
}

void CheckModel(const ram::Model& model) {
  Require(model.uses.size() == model.tensors.size());
  Require(model.block_scales.size() == model.tensors.size());
  Require(model.sections.size() == model.tensors.size());
  for (const ram::TensorInfo& tensor : model.tensors) {
    CheckStorage(model, tensor);
  }
  for (const ram::Matrix& matrix : model.matrices) {
    Require(matrix.tensor < model.tensors.size());
    Require(matrix.blocks > 0 && matrix.rows > 0 && matrix.cols > 0);
    const auto last_row = ram::CheckedAdd(
        matrix.first_row + matrix.block_rows,
        *ram::CheckedMul(matrix.blocks - 1, matrix.block_stride));
    const auto end = ram::CheckedMul(*last_row, matrix.source_cols);
    Require(end && *end <= model.tensors[matrix.tensor].elements());
    Require(matrix.rows * matrix.cols ==
            matrix.blocks * matrix.block_rows * matrix.source_cols);
  }
}

void Describe(const ram::Json& config, std::vector<ram::TensorInfo> tensors) {
  try {
    CheckModel(ram::DescribeModel(config, std::move(tensors), "fuzz"));
  } catch (const ram::Error&) {
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const size_t zero = input.find('\0');
  ram::Json config;
  try {
    config = ram::ParseJson(input.substr(0, zero), "config.json");
  } catch (const ram::Error&) {
    return 0;
  }
  if (zero == std::string_view::npos) {
    Describe(config, SmallLlama());
  } else {
    Describe(config, TensorsFromLines(input.substr(zero + 1)));
  }
  return 0;
}
