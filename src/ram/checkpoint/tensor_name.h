// Names of tensors, taken apart.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ram/checkpoint/model.h"

namespace ram {

struct TensorName {
  Section section = Section::kText;  // kVision by name, kMtp under "mtp."
  // "model.language_model.": what comes before the word "layers", or before
  // the rest of a name outside the layers. Only prefixes of text models are
  // taken off the latter.
  std::string_view prefix;
  std::string_view layers;  // "layers", "blocks", "h"; empty outside layers
  int layer = -1;
  int expert = -1;
  // What is left, an expert's number replaced by '*':
  // "mlp.experts.*.up_proj.weight".
  std::string path;
};

inline constexpr std::string_view kWeightSuffix = ".weight";

// Numbers with leading zeros or more than eight digits are not numbers here.
TensorName ParseTensorName(std::string_view name);

}  // namespace ram
