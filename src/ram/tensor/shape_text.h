#pragma once

#include <cstdint>
#include <span>
#include <string>

namespace ram {

// "[2, 3]", the way headers of checkpoints write a shape.
std::string ShapeText(std::span<const uint64_t> shape);

}  // namespace ram
