#include "ram/target/native_target.h"

#include "ram/target/quantization_config.h"
#include "ram/target/target_units.h"

namespace ram {

TargetLayout NativeTarget::Describe(const Model& model) const {
  const DType main_dtype = model.main_dtype();
  TargetLayout layout;
  for (uint32_t i = 0; i < model.matrices.size(); ++i) {
    const Matrix& matrix = model.matrices[i];
    if (IsTiedHead(model, matrix)) {
      layout.dropped.push_back({matrix.name, kTiedReason});
      continue;
    }
    layout.units.push_back(MakeUnit(model,
                                    std::string(WithoutWeight(matrix.name)),
                                    {i}, {matrix.rows, matrix.cols}, true));
  }
  for (uint32_t i = 0; i < model.tensors.size(); ++i) {
    const TensorInfo& tensor = model.tensors[i];
    if (const auto why = WhyNeverRead(model, i)) {
      layout.dropped.push_back({tensor.name, *why});
    } else if (model.uses[i] == TensorUse::kPlain) {
      layout.plain.push_back(
          {i, tensor.name, PlainDType(tensor, main_dtype), tensor.shape});
    }
  }
  return layout;
}

std::string NativeTarget::ConfigText(const Model& model,
                                     const TargetLayout& layout,
                                     std::span<const Scheme> schemes) const {
  Json config = BaseConfig(model);
  Json quantization = QuantizationConfig(layout, schemes);
  if (quantization.is_null()) quantization = Json::object();
  quantization["format"] = "ram-native";
  config["quantization"] = std::move(quantization);
  return config.dump(4) + "\n";
}

}  // namespace ram
