#include "ram/target/affine_files.h"

namespace ram {
namespace {

using Kind = StoredTensor::Kind;

ModuleTensors AffineTensors(const Unit& unit, uint64_t cols,
                            const Scheme& scheme) {
  ModuleTensors tensors;
  if (scheme.kind == SchemeKind::kFloat) {
    tensors.Add({".weight", Kind::kWeight, unit.kept_dtype, cols});
    return tensors;
  }
  const uint64_t groups = cols / static_cast<uint64_t>(scheme.group_size);
  tensors.Add({".weight", Kind::kCodes, DType::kU32,
               cols * static_cast<uint64_t>(scheme.bits) / 32});
  tensors.Add({".scales", Kind::kScales, unit.kept_dtype, groups});
  tensors.Add({".biases", Kind::kBiases, unit.kept_dtype, groups});
  return tensors;
}

constexpr SafetensorsStyle kMlxStyle = {"mlx", AffineTensors};

}  // namespace

std::vector<OutputFileLayout> LayOutAffineFiles(const TargetLayout& layout,
                                                std::span<const Scheme> schemes,
                                                uint64_t max_shard_bytes) {
  return LayOutSafetensorsFiles(kMlxStyle, layout, schemes, max_shard_bytes);
}

uint64_t AffineFileBytes(const TargetLayout& layout,
                         std::span<const Scheme> schemes,
                         uint64_t max_shard_bytes) {
  return SafetensorsFileBytes(kMlxStyle, layout, schemes, max_shard_bytes);
}

}  // namespace ram
