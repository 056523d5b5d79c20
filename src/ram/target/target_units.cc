#include "ram/target/target_units.h"

#include <algorithm>

namespace ram {

std::string_view WithoutWeight(std::string_view name) {
  if (name.ends_with(".weight")) name.remove_suffix(7);
  return name;
}

std::vector<Scheme> LegalSchemes(uint64_t cols, bool quantizable) {
  std::vector<Scheme> legal;
  if (quantizable) {
    for (int bits : kAffineBits) {
      for (auto group = kAffineGroups.rbegin(); group != kAffineGroups.rend();
           ++group) {
        const Scheme scheme = Affine(bits, *group);
        if (SchemeFits(scheme, cols)) legal.push_back(scheme);
      }
    }
  }
  legal.push_back(kFloat16Scheme);
  return legal;
}

Unit MakeUnit(const Model& model, std::string name,
              std::vector<uint32_t> members, std::vector<uint64_t> shape,
              bool quantizable) {
  const Matrix& first = model.matrices[members.front()];
  Unit unit;
  unit.name = std::move(name);
  unit.shape = std::move(shape);
  unit.cols = first.cols;
  unit.role = first.role;
  unit.layer = first.layer;
  unit.kept_dtype = KeptDType(model.tensors[first.tensor].dtype);
  unit.first_tensor = first.tensor;
  for (uint32_t member : members) {
    const Matrix& matrix = model.matrices[member];
    unit.rows += matrix.rows;
    unit.first_tensor = std::min(unit.first_tensor, matrix.tensor);
    // BF16 holds what F16 holds in range, not the other way round.
    const DType kept = KeptDType(model.tensors[matrix.tensor].dtype);
    if (kept != unit.kept_dtype) unit.kept_dtype = DType::kBF16;
  }
  unit.members = std::move(members);
  unit.legal = LegalSchemes(unit.cols, quantizable);
  return unit;
}

DType PlainDType(const TensorInfo& tensor, DType main_dtype) {
  const bool exact = tensor.name.ends_with("A_log") ||
                     tensor.name.ends_with("e_score_correction_bias");
  if (tensor.dtype == DType::kF32 && main_dtype == DType::kF32 && !exact) {
    return DType::kBF16;
  }
  return tensor.dtype;
}

std::optional<std::string> WhyNeverRead(const Model& model, uint32_t tensor) {
  if (model.uses[tensor] == TensorUse::kIgnored) {
    if (model.tied_head &&
        model.tensors[tensor].name.ends_with("lm_head.weight")) {
      return kTiedReason;
    }
    return "no runtime reads it: it is computed again from config.json";
  }
  return std::nullopt;
}

bool IsTiedHead(const Model& model, const Matrix& matrix) {
  return model.tied_head && matrix.role == "lm_head" &&
         matrix.section == Section::kText;
}

}  // namespace ram
