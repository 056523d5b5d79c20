// A comparison as one HTML file: in words, a heat map of layers and roles, and
// every changed matrix.
#pragma once

#include <string>

#include "ram/xray/compare.h"

namespace ram {

std::string ComparisonToHtml(const Comparison& comparison);

}  // namespace ram
