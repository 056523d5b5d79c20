// For tests: models made of a config alone, and what a target makes of them.
#pragma once

#include <stdexcept>
#include <string>
#include <string_view>

#include "ram/checkpoint/expected_tensors.h"
#include "ram/target/target.h"

namespace ram {

inline Model ModelOf(const Json& config) {
  return DescribeModel(config, ExpectedTensors(config), "model");
}

inline const Unit& UnitNamed(const TargetLayout& layout,
                             std::string_view name) {
  for (const Unit& unit : layout.units) {
    if (unit.name == name) return unit;
  }
  throw std::out_of_range(std::string(name));
}

}  // namespace ram
