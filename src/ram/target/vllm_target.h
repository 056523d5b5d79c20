// What vLLM and transformers load through compressed-tensors, pack-quantized
// (docs/formats/compressed-tensors.md). Modules are Hugging Face's; those that
// vLLM fuses, {q, k, v}, {gate, up} and all experts of a layer, are one unit,
// because it reads them with one scheme. Embeddings, head and routers stay at
// 16 bits: vLLM cannot read them otherwise.
#pragma once

#include "ram/target/target.h"

namespace ram {

// The target that stands for all modules of a layer's experts in config.json;
// `unit` is the name of their unit.
std::string ExpertsPattern(std::string_view unit);

class VllmTarget final : public Target {
 public:
  // Portable: 4 and 8 bits, which vLLM has kernels for; else also 2, 3, 5 and
  // 6, which compressed-tensors alone unpacks.
  explicit VllmTarget(bool portable) : portable_(portable) {}

  std::string_view name() const override {
    return portable_ ? "vllm" : "vllm-unportable";
  }
  OutputFormat format() const override { return OutputFormat::kSafetensors; }
  SchemeKind kind() const override { return SchemeKind::kInt; }
  std::span<const Scheme> Schemes() const override;
  // Groups of 128 without a group.
  std::optional<Scheme> SchemeOf(int bits,
                                 std::optional<int> group_size) const override;
  Scheme Closest(const Unit& unit, const Scheme& wanted) const override;
  Encoder UniformEncoder() const override { return Encoder::kMinMax; }
  // Throws kUnsupported for a model whose tensors have names or shapes that
  // Hugging Face's modules lack.
  TargetLayout Describe(const Model& model) const override;
  std::vector<OutputFileLayout> LayOutFiles(
      const TargetLayout& layout,
      std::span<const Scheme> schemes) const override;
  uint64_t FileBytes(const TargetLayout& layout,
                     std::span<const Scheme> schemes) const override;
  std::string ConfigText(const Model& model, const TargetLayout& layout,
                         std::span<const Scheme> schemes) const override;
  std::vector<std::string> Notes(
      const TargetLayout& layout,
      std::span<const Scheme> schemes) const override;

 private:
  bool portable_;
};

}  // namespace ram
