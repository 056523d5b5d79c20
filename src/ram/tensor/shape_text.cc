#include "ram/tensor/shape_text.h"

#include <fmt/format.h>

namespace ram {

std::string ShapeText(std::span<const uint64_t> shape) {
  return fmt::format("[{}]", fmt::join(shape, ", "));
}

}  // namespace ram
