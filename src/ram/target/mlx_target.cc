#include "ram/target/mlx_target.h"

#include <algorithm>
#include <array>
#include <unordered_map>

#include "ram/base/error.h"
#include "ram/target/mlx_family.h"
#include "ram/target/quantization_config.h"
#include "ram/target/target_units.h"

namespace ram {
namespace {

constexpr char kNoMtpInMlx[] =
    "multi-token prediction: mlx-lm does not read these layers";
constexpr char kNoVisionInMlx[] =
    "vision tower or its projector: mlx-lm loads the text model alone";

struct ModuleGroup {
  std::string module;
  std::vector<uint32_t> members;
};

// In the order of the first member.
std::vector<ModuleGroup> GroupByModule(const MlxFamily* family,
                                       const Model& model) {
  std::vector<ModuleGroup> groups;
  std::unordered_map<std::string, size_t> index;
  for (uint32_t i = 0; i < model.matrices.size(); ++i) {
    const Matrix& matrix = model.matrices[i];
    if (matrix.section != Section::kText || IsTiedHead(model, matrix)) continue;
    std::string module = MlxModule(family, model, matrix);
    const auto [at, added] = index.try_emplace(module, groups.size());
    if (added) groups.push_back({std::move(module), {}});
    groups[at->second].members.push_back(i);
  }
  return groups;
}

// Experts 0, 1, 2... of equal shape; the shape of their stack.
std::vector<uint64_t> StackShape(const Model& model, const ModuleGroup& group) {
  const Matrix& first = model.matrices[group.members.front()];
  for (size_t e = 0; e < group.members.size(); ++e) {
    const Matrix& matrix = model.matrices[group.members[e]];
    if (matrix.expert != static_cast<int>(e)) {
      Fail(ErrorKind::kCorrupt,
           "{}: found expert {} where expert {} should be, expected all of "
           "them, once each",
           group.module, matrix.expert, e);
    }
    if (matrix.rows != first.rows || matrix.cols != first.cols) {
      Fail(ErrorKind::kUnsupported,
           "target mlx: {}: found experts of [{}, {}] and [{}, {}], expected "
           "one shape: mlx-lm stacks them (use target native)",
           group.module, first.rows, first.cols, matrix.rows, matrix.cols);
    }
  }
  return {group.members.size(), first.rows, first.cols};
}

Unit UnitOf(const MlxFamily* family, const Model& model, ModuleGroup group) {
  auto& members = group.members;
  const auto& matrices = model.matrices;
  std::sort(members.begin(), members.end(), [&](uint32_t a, uint32_t b) {
    const auto key = [&](uint32_t i) {
      return std::tuple(matrices[i].expert, MlxPlace(family, matrices[i]),
                        matrices[i].first_row, i);
    };
    return key(a) < key(b);
  });
  const Matrix& first = matrices[members.front()];
  std::vector<uint64_t> shape;
  uint64_t rows = 0;
  for (uint32_t member : members) rows += matrices[member].rows;
  if (first.expert >= 0 && !(family && family->separate_experts) &&
      members.size() + (family ? 1 : 0) > 1) {
    shape = StackShape(model, group);
  } else if (first.blocks > 1) {
    shape = {first.blocks, first.rows / first.blocks, first.cols};
  } else {
    shape = {rows, first.cols};
  }
  return MakeUnit(model, std::move(group.module), std::move(members),
                  std::move(shape), MlxQuantizable(family, first));
}

// Qwen3.5's loader takes a convolution [channels, 1, width] as a sign that
// norms still lack their 1: both are stored its way.
bool HasSourceConvolution(const MlxFamily* family, const Model& model) {
  if (!family || !family->language_model) return false;
  return std::any_of(model.tensors.begin(), model.tensors.end(),
                     [](const TensorInfo& tensor) {
                       return tensor.name.ends_with("conv1d.weight") &&
                              tensor.shape.size() == 3 && tensor.shape[2] != 1;
                     });
}

PlainTensor::Change ChangeOf(std::string_view name, size_t dimensions) {
  constexpr std::array<std::string_view, 5> kNorms = {
      ".input_layernorm.weight", ".post_attention_layernorm.weight",
      "model.norm.weight", ".q_norm.weight", ".k_norm.weight"};
  if (name.ends_with("conv1d.weight") && dimensions == 3) {
    return PlainTensor::Change::kMoveAxis21;
  }
  const bool norm = std::any_of(
      kNorms.begin(), kNorms.end(),
      [&](std::string_view suffix) { return name.ends_with(suffix); });
  return norm && dimensions == 1 ? PlainTensor::Change::kAddOne
                                 : PlainTensor::Change::kNone;
}

std::optional<std::string> WhyDropped(const MlxFamily* family,
                                      const Model& model, uint32_t tensor) {
  if (auto why = WhyNeverRead(model, tensor)) return why;
  if (model.sections[tensor] == Section::kMtp) return kNoMtpInMlx;
  if (model.sections[tensor] == Section::kVision) return kNoVisionInMlx;
  const std::string& name = model.tensors[tensor].name;
  if (family && family->family == "GPT-2" && name.ends_with(".attn.bias")) {
    return "a causal mask, which the runtime makes itself";
  }
  return std::nullopt;
}

PlainTensor PlainOf(const MlxFamily* family, const Model& model, uint32_t index,
                    DType main_dtype, bool source_convolution) {
  const TensorInfo& tensor = model.tensors[index];
  PlainTensor plain;
  plain.tensor = index;
  plain.name = family ? MlxName(*family, tensor.name) : tensor.name;
  plain.dtype = PlainDType(tensor, main_dtype);
  plain.shape = tensor.shape;
  if (source_convolution) {
    plain.change = ChangeOf(plain.name, tensor.shape.size());
    if (plain.change == PlainTensor::Change::kMoveAxis21) {
      std::swap(plain.shape[1], plain.shape[2]);
    }
  }
  return plain;
}

void SplitTensors(const MlxFamily* family, const Model& model,
                  TargetLayout& layout) {
  const bool source_convolution = HasSourceConvolution(family, model);
  const DType main_dtype = model.main_dtype();
  std::vector<bool> tied(model.tensors.size());
  for (const Matrix& matrix : model.matrices) {
    if (IsTiedHead(model, matrix)) tied[matrix.tensor] = true;
  }
  for (uint32_t i = 0; i < model.tensors.size(); ++i) {
    if (model.uses[i] == TensorUse::kScale) continue;
    if (auto why = WhyDropped(family, model, i)) {
      layout.dropped.push_back({model.tensors[i].name, *std::move(why)});
    } else if (tied[i]) {
      layout.dropped.push_back({model.tensors[i].name, kTiedReason});
    } else if (model.uses[i] == TensorUse::kPlain) {
      layout.plain.push_back(
          PlainOf(family, model, i, main_dtype, source_convolution));
    }
  }
}

}  // namespace

TargetLayout MlxTarget::Describe(const Model& model) const {
  const MlxFamily* family = FindMlxFamily(model);
  if (family) CheckMlxLoads(*family, model);
  TargetLayout layout;
  for (ModuleGroup& group : GroupByModule(family, model)) {
    layout.units.push_back(UnitOf(family, model, std::move(group)));
  }
  SplitTensors(family, model, layout);
  return layout;
}

std::string MlxTarget::ConfigText(const Model& model,
                                  const TargetLayout& layout,
                                  std::span<const Scheme> schemes) const {
  Json config = BaseConfig(model);
  config.erase("_name_or_path");
  config.erase("vision_config");
  if (const MlxFamily* family = FindMlxFamily(model)) {
    if (!family->model_type.empty()) config["model_type"] = family->model_type;
    // mlx-lm's defaults differ from transformers', so it is always said.
    const bool nested = config.contains("text_config");
    Json& text = nested ? config["text_config"] : config;
    text["tie_word_embeddings"] = model.tied_head;
  }
  Json quantization = QuantizationConfig(layout, schemes);
  if (!quantization.is_null()) {
    config["quantization"] = quantization;
    config["quantization_config"] = std::move(quantization);
  }
  return config.dump(4) + "\n";
}

}  // namespace ram
