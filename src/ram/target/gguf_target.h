// The runtime llama.cpp: https://github.com/ggml-org/llama.cpp. Units are the
// tensors of GGUF that can have a type of their own; the experts of a
// projection are one.
#pragma once

#include "ram/target/target.h"

namespace ram {

class GgufTarget final : public Target {
 public:
  std::string_view name() const override { return "gguf"; }
  OutputFormat format() const override { return OutputFormat::kGguf; }
  SchemeKind kind() const override { return SchemeKind::kBlocks; }
  std::span<const Scheme> Schemes() const override;
  // The types that llama.cpp's users mean by a number of bits: Q2_K to Q6_K and
  // Q8_0; in groups of 32, Q4_0, Q5_0 and Q8_0.
  std::optional<Scheme> SchemeOf(int bits,
                                 std::optional<int> group_size) const override;
  // Where rows are not whole blocks of 256, what llama-quantize takes instead;
  // where they are not whole blocks of 32 either, 16 bits.
  Scheme Closest(const Unit& unit, const Scheme& wanted) const override;
  Encoder UniformEncoder() const override { return Encoder::kSearch; }
  TargetLayout Describe(const Model& model) const override;
  std::vector<OutputFileLayout> LayOutFiles(
      const TargetLayout& layout,
      std::span<const Scheme> schemes) const override;
  uint64_t FileBytes(const TargetLayout& layout,
                     std::span<const Scheme> schemes) const override;
  // Empty: all is in the weight files.
  std::string ConfigText(const Model& model, const TargetLayout& layout,
                         std::span<const Scheme> schemes) const override;
};

}  // namespace ram
