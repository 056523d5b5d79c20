#include "ram/evaluation/model_weights.h"

#include "ram/base/error.h"
#include "ram/evaluation/row_kernels.h"
#include "ram/tensor/convert.h"

namespace ram {
namespace {

constexpr std::string_view kWeight = ".weight";

std::string Place(int layer, std::string_view role, int expert) {
  std::string place(role);
  if (layer >= 0) place += fmt::format(" of layer {}", layer);
  if (expert >= 0) place += fmt::format(", expert {}", expert);
  return place;
}

}  // namespace

ModelWeights::ModelWeights(const Checkpoint& checkpoint)
    : checkpoint_(checkpoint) {
  const Model& model = checkpoint.model();
  for (const Matrix& matrix : model.matrices) {
    if (matrix.section != Section::kText) continue;
    matrices_.try_emplace({matrix.layer, matrix.role, matrix.expert}, &matrix);
  }
  for (uint32_t i = 0; i < model.tensors.size(); ++i) {
    if (model.uses[i] == TensorUse::kPlain) {
      tensors_.emplace(model.tensors[i].name, i);
    }
  }
}

const Matrix* ModelWeights::Find(int layer, std::string_view role,
                                 int expert) const {
  const auto found = matrices_.find({layer, role, expert});
  return found == matrices_.end() ? nullptr : found->second;
}

const Matrix& ModelWeights::Get(int layer, std::string_view role,
                                int expert) const {
  if (const Matrix* matrix = Find(layer, role, expert)) return *matrix;
  Fail(ErrorKind::kCorrupt, "{}: {}: found no such matrix, expected one",
       checkpoint_.path().string(), Place(layer, role, expert));
}

std::string ModelWeights::LayerPrefix(int layer) const {
  const auto first = matrices_.lower_bound({layer, {}, -1});
  if (first != matrices_.end() && std::get<0>(first->first) == layer) {
    const std::string& name = first->second->name;
    const std::string number = fmt::format(".{}.", layer);
    const size_t at = name.find(number);
    if (at != name.npos) return name.substr(0, at + number.size());
  }
  Fail(ErrorKind::kCorrupt, "{}: layer {}: found no matrices, expected some",
       checkpoint_.path().string(), layer);
}

std::vector<float> ModelWeights::Read(const std::string& name, uint64_t n,
                                      bool required) const {
  const std::string path = checkpoint_.path().string();
  const auto found = tensors_.find(name);
  if (found == tensors_.end()) {
    if (!required) return {};
    Fail(ErrorKind::kCorrupt, "{}: {}: found no such tensor, expected one",
         path, name);
  }
  const TensorInfo& info = checkpoint_.model().tensors[found->second];
  if (info.elements() != n || !IsWeightDType(info.dtype)) {
    Fail(ErrorKind::kCorrupt, "{}: {}: found {} {} numbers, expected {}", path,
         name, info.elements(), DTypeName(info.dtype), n);
  }
  std::vector<std::byte> bytes(n * DTypeBytes(info.dtype));
  checkpoint_.ReadTensor(found->second, 0, bytes);
  std::vector<float> floats(n);
  ToFloat(info.dtype, bytes.data(), floats);
  return floats;
}

std::vector<float> ModelWeights::LayerVector(int layer, std::string_view name,
                                             uint64_t n) const {
  return Read(LayerPrefix(layer) + std::string(name), n, true);
}

std::vector<float> ModelWeights::FindLayerVector(int layer,
                                                 std::string_view name,
                                                 uint64_t n) const {
  return Read(LayerPrefix(layer) + std::string(name), n, false);
}

std::vector<float> ModelWeights::BiasOf(const Matrix& matrix) const {
  std::string_view name = matrix.name;
  if (!name.ends_with(kWeight)) return {};
  name.remove_suffix(kWeight.size());
  return Read(fmt::format("{}.bias", name), matrix.rows, false);
}

std::vector<float> ModelWeights::FinalNorm(uint64_t n) const {
  const Matrix* head = Find(-1, "lm_head");
  return Read(head ? head->norm : Get(-1, "embed_tokens").norm, n, true);
}

Projection::Projection(const ModelWeights& weights, LinearMaker& maker,
                       const Matrix& matrix)
    : linear_(maker.Make(matrix, 0, matrix.rows)),
      bias_(weights.BiasOf(matrix)) {}

void Projection::Apply(const float* x, uint64_t rows, float* y) const {
  linear_->Apply(x, rows, y);
  if (bias_.empty()) return;
  for (uint64_t row = 0; row < rows; ++row) {
    AddScaled(bias_.data(), bias_.size(), 1.0f, y + row * bias_.size());
  }
}

}  // namespace ram
