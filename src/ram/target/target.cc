#include "ram/target/target.h"

#include <array>

#include "ram/base/error.h"
#include "ram/target/gguf_target.h"
#include "ram/target/mlx_target.h"
#include "ram/target/native_target.h"
#include "ram/target/vllm_target.h"

namespace ram {

const Target& FindTarget(std::string_view name) {
  static const MlxTarget mlx;
  static const GgufTarget gguf;
  static const NativeTarget native;
  static const VllmTarget vllm(true);
  static const VllmTarget unportable(false);
  static const std::array<const Target*, 5> all = {&mlx, &gguf, &vllm, &native,
                                                   &unportable};
  for (const Target* target : all) {
    if (target->name() == name) return *target;
  }
  Fail(ErrorKind::kUsage,
       "target: found '{}', expected mlx, gguf, vllm or native", name);
}

std::string SchemesText(const Target& target) {
  const std::span<const Scheme> schemes = target.Schemes();
  std::string text;
  for (size_t i = 0; i < schemes.size(); ++i) {
    if (i > 0) text += i + 1 == schemes.size() ? " or " : ", ";
    text += SchemeLabel(schemes[i]);
  }
  return text;
}

uint64_t TotalFileBytes(std::span<const OutputFileLayout> files) {
  uint64_t bytes = 0;
  for (const OutputFileLayout& file : files) bytes += file.file_bytes;
  return bytes;
}

}  // namespace ram
